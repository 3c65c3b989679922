"""The model of what many ranks gain, against times worked out by hand."""

import pytest

from benchmarks.links import (
    LINKS,
    Link,
    Part,
    efficiency,
    expected_table,
    gradient_bytes,
    step_seconds,
    sum_seconds,
)
from benchmarks.sizes import ROOT, SIZES, describe
from videolstm.models.composite import LSTMCombo

LINK = Link("ten bytes a second", 10.0, 0.5)


@pytest.mark.parametrize(
    ("ranks", "seconds"),
    [
        (1, 0.0),
        (2, 100 / 10 + 2 * 0.5),  # half goes out and half comes back
        (4, 150 / 10 + 4 * 0.5),
        (5, 160 / 10 + 6 * 0.5),
    ],
)
def test_sums(ranks, seconds):
    assert sum_seconds(100, ranks, LINK) == pytest.approx(seconds)


# forward 2 s, two parts; a message of 100 bytes takes 11 s between two ranks.
STEPS = {
    "alone": (1, [Part(3, 1, 100), Part(4, 1, 100)], 2 + 3 + 4 + 2),
    # leaves at 5, is back at 16; the second waits for the link until 27
    "the link is busy": (2, [Part(3, 1, 100), Part(4, 1, 100)], 27 + 1),
    # leaves at 5, is back at 16 while the second part goes back until 35
    "the first is hidden": (2, [Part(3, 1, 100), Part(30, 1, 100)], 35 + 11 + 1),
    # nothing to send: only latency, 5 + 1 and 9 + 1, then updates of 1 and 1
    "nothing to send": (2, [Part(3, 1, 0), Part(4, 1, 0)], 11),
    # updated in turn: the first at 46 is long back, the second at 46 + 11
    "a long update": (2, [Part(3, 20, 100), Part(4, 1, 100)], 16 + 20 + 1),
}


@pytest.mark.parametrize("name", STEPS)
def test_steps(name):
    ranks, parts, seconds = STEPS[name]
    assert step_seconds(2, parts, ranks, LINK) == pytest.approx(seconds)


def test_bytes_are_those_of_the_model():
    size = SIZES["S"].changed(units=5, dims=7)
    model = LSTMCombo(describe(size), "model", size.frames)
    stacks = {
        "encoder": model.encoder,
        "decoder": model.decoder.stack,
        "future": model.future.stack,
    }
    expected = {
        name: 4 * sum(p.shape[0] * p.shape[1] for p in stack.params)
        for name, stack in stacks.items()
    }
    assert gradient_bytes(size) == expected


def test_the_shipped_model_has_671_megabytes():
    assert round(sum(gradient_bytes(SIZES["L"]).values()) / 1e6) == 671


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("grows", [True, False])
def test_more_ranks_are_never_more_efficient(link, grows):
    found = [
        efficiency(SIZES["L"], 0.1, 0.01, ranks, link, grows)
        for ranks in (1, 2, 4, 8, 16, 32, 64)
    ]
    assert found[0] == pytest.approx(1)
    assert found == sorted(found, reverse=True)
    assert 0 < found[-1] <= 1


@pytest.mark.parametrize("grows", [True, False])
def test_the_documentation_has_the_tables(grows):
    text = (ROOT / "docs" / "scaling.md").read_text()
    assert expected_table(grows) in text
