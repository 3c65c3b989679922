"""Pages: everything is inside, and nothing of the text is taken for markup."""

import base64
import re

import numpy as np
from PIL import Image

from videolstm.pictures.page import Page, Picture, Section, write_page
from videolstm.results.tables import Table


def a_page(folder) -> Page:
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / "a.png")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / "a.gif")
    groups = [("", 1), ("model", 2), ("copy", 1)]
    rows = [["1", "2", "3", "4"], ["all", "5", "6", "7"]]
    table = Table("A <table>", groups, ["frame", "a", "b", "c"], rows)
    return Page(
        title="Weights & <b>measures</b>",
        lead="1 < 2",
        first=Picture(folder / "a.gif", 'a "moving" picture', "caption & more"),
        numbers=[("5×", "better")],
        sections=[
            Section(
                "heading",
                ["some text"],
                [Picture(folder / "a.png", "a picture")],
                [table],
                ["a note"],
                ["python a.py <FILE> && true"],
            )
        ],
        footer="the end",
    )


def test_nothing_is_taken_for_markup(tmp_path):
    write_page(tmp_path / "index.html", a_page(tmp_path))
    text = (tmp_path / "index.html").read_text("utf-8")
    for words in (
        "Weights &amp; &lt;b&gt;measures&lt;/b&gt;",
        "1 &lt; 2",
        'alt="a &quot;moving&quot; picture"',
        "A &lt;table&gt;",
        "python a.py &lt;FILE&gt; &amp;&amp; true",
        "caption &amp; more",
    ):
        assert words in text


def test_everything_is_inside(tmp_path):
    text = a_page(tmp_path).html()
    pictures = re.findall(r'<img src="data:image/(\w+);base64,([^"]+)"', text)
    assert [kind for kind, _ in pictures] == ["gif", "png"]
    for kind, data in pictures:
        assert base64.b64decode(data) == (tmp_path / f"a.{kind}").read_bytes()
    outside = re.findall(r'(?:src|href)="(?!data:)[^"]*"|url\(|@import|https?:', text)
    assert outside == []


def test_table(tmp_path):
    text = a_page(tmp_path).html()
    assert re.findall(r"<td[^>]*>(\w+)</td>", text) == "1 2 3 4 all 5 6 7".split()
    assert re.findall(r'colspan="(\d)" class="([^"]+)"', text) == [
        ("1", "group"),
        ("2", "group"),
        ("1", "group edge"),
    ]
