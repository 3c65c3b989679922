"""How results are shown."""

import pytest

from benchmarks.table import growth_table, number, samples_line, step_table, table


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (0.0, "0"),
        (0.01234, "0.01"),
        (1.234, "1.23"),
        (12.34, "12.3"),
        (123.4, "123"),
        (1234.5, "1234"),
    ],
)
def test_numbers(value, shown):
    assert number(value) == shown


def test_columns_stand_below_each_other():
    assert table(["", "ms"], [["step", 1.5], ["x", None]]) == (
        "|      |  ms |\n| ---- | --: |\n| step | 1.5 |\n| x    |   - |"
    )


OURS = {"ms": 50.0, "peak_mib": 345.6}
FOUND = {"gflop": 10.0, "ours": OURS, "products_ms": 40.0}


def cells(text, row):
    return [cell.strip() for cell in text.splitlines()[2 + row].split("|")[1:-1]]


def test_steps():
    """200 GFLOP/s, of 250 that the products alone reach."""
    torch = {"ms": 120.0, "peak_mib": 1000.0}
    text = step_table({"S": FOUND | {"torch": torch}, "M": FOUND})
    rest = ["10.0", "200", "250", "0.80", "346"]
    assert cells(text, 0) == ["S", "50.0", "120", "2.40x", "-", "-", *rest, "1000"]
    assert cells(text, 1) == ["M", "50.0", "-", "-", "-", "-", *rest, "-"]


def test_growth():
    text = growth_table({"units": [{"value": 128, "gflop": 10.0, "ms": 50.0}]})
    assert cells(text, 0) == ["units 128", "10.0", "50.0", "200"]


def test_samples():
    found = {"kept": 3, "taken": 8, "quiet": True}
    assert samples_line("S", found) == "S: 3 samples kept, 5 thrown away"
    assert "others were at work" in samples_line("S", found | {"quiet": False})
