"""Files come whole or not at all, whatever the server does; all from a server here."""

import gzip
import resource
import socket

import numpy as np
import pytest

from tests.videolstm.tools.remote_files import (
    CONTENT,
    HALF,
    MD5,
    OTHER,
    files_in,
    refused,
    remote,
)
from tests.videolstm.tools.web_server import answer, chunks, file, raw, serving
from videolstm.tools import fetch as fetching
from videolstm.tools import web
from videolstm.tools.fetch import NotFetched, fetch


@pytest.fixture(scope="module")
def running():
    with serving() as server:
        yield server


@pytest.fixture
def server(running, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(fetching, "_PAUSE", 0)
    running.pages.clear()
    return running


# ---- what comes whole ----------------------------------------------------------------

WHOLE = {
    "plain": [file(CONTENT)],
    "chunked": [chunks(CONTENT[:9], CONTENT[9:])],
    "no-length": [answer(200, CONTENT)],
    "redirect": [answer(301, Location="moved"), file(CONTENT)],
    "308": [answer(308, Location="/moved")],
    "cut-once": [file(CONTENT, cut=1000), file(CONTENT)],
    "cut-often": [file(CONTENT, cut=70_000)],
    "cut-chunked": [chunks(CONTENT[:999], whole=False), file(CONTENT)],
    "cut-no-ranges": [file(CONTENT, cut=1000), file(CONTENT, ranges=False)],
    "lies-of-range": [
        file(CONTENT, cut=1000),
        answer(206, b"nonsense", Content_Range="bytes 7-14/300000", Content_Length=8),
        file(CONTENT),
    ],
    "cut-then-other": [file(OTHER, cut=1000), file(CONTENT)],
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_comes_whole(server, tmp_path, name):
    server.put("moved", file(CONTENT))
    fetched = fetch(remote(server.put("a", *WHOLE[name])), tmp_path)
    assert files_in(tmp_path) == {"data.bin": CONTENT}
    assert (fetched.path, fetched.md5) == (tmp_path / "data.bin", MD5)
    assert not fetched.was_there


@pytest.mark.parametrize("md5", [MD5, None], ids=["known", "unknown"])
def test_what_was_cut_goes_on_in_the_next_run(server, tmp_path, md5):
    tag = '"v1"'
    gone = [file(CONTENT, cut=HALF, tag=tag), answer(503)]
    address = server.put("a", *gone)
    refused(lambda: fetch(remote(address, md5=md5), tmp_path), "503")
    assert files_in(tmp_path)["data.bin.part"] == CONTENT[:HALF]
    address = server.put("a", file(CONTENT, tag=tag))
    assert fetch(remote(address, md5=md5), tmp_path).md5 == MD5
    assert server.asked("a") == [f"bytes={HALF}-"]
    assert files_in(tmp_path) == {"data.bin": CONTENT}


@pytest.mark.parametrize(
    ("before", "after"),
    [('"v1"', '"v2"'), (None, None), ('W/"v1"', 'W/"v1"')],
    ids=["changed", "no-tag", "weak-tag"],
)
def test_an_unknown_file_is_not_joined_from_two(server, tmp_path, before, after):
    """Without a checksum nobody would notice."""
    gone = [file(OTHER, cut=HALF, tag=before), answer(503)]
    unknown = remote(server.put("a", *gone), md5=None)
    refused(lambda: fetch(unknown, tmp_path), "503")
    server.put("a", file(CONTENT, tag=after))
    fetch(unknown, tmp_path)
    assert files_in(tmp_path) == {"data.bin": CONTENT}


def test_an_unknown_file_is_not_joined_from_two_addresses(server, tmp_path):
    first = server.put("a", file(OTHER, cut=HALF, tag='"v1"'), answer(503))
    second = server.put("b", file(CONTENT, tag='"v1"'))
    fetch(remote(first, second, md5=None), tmp_path)
    assert server.asked("b") == [None]
    assert files_in(tmp_path) == {"data.bin": CONTENT}


def test_a_known_file_goes_on_from_another_address(server, tmp_path):
    first = server.put("a", file(CONTENT, cut=HALF), answer(503))
    second = server.put("b", file(CONTENT))
    fetch(remote(first, second), tmp_path)
    assert server.asked("b") == [f"bytes={HALF}-"]


@pytest.mark.parametrize("part", [OTHER[:HALF], OTHER, CONTENT + b"more"])
def test_a_wrong_part_is_given_up(server, tmp_path, part):
    (tmp_path / "data.bin.part").write_bytes(part)
    fetch(remote(server.put("a", file(CONTENT))), tmp_path)
    assert files_in(tmp_path) == {"data.bin": CONTENT}


@pytest.mark.parametrize(
    "said", [b"[" * 50_000, b"\xff", b"[]", b"", b'{"version": 1}']
)
def test_a_damaged_origin_is_none(server, tmp_path, said):
    """Then nobody knows what the part is of, and all is fetched."""
    (tmp_path / "data.bin.part").write_bytes(OTHER[:HALF])
    (tmp_path / "data.bin.part.from").write_bytes(said)
    fetch(remote(server.put("a", file(CONTENT, tag='"v1"')), md5=None), tmp_path)
    assert server.asked("a") == [None]
    assert files_in(tmp_path) == {"data.bin": CONTENT}


def test_a_part_may_be_whole(server, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    fetch(remote(server.put("a", file(CONTENT))), tmp_path)
    assert files_in(tmp_path) == {"data.bin": CONTENT}
    assert len(server.asked("a")) == 1


def test_the_sum_of_a_packed_file_is_of_what_is_in_it(server, tmp_path):
    for time in (1, 2):  # which gzip writes into the file
        packed = gzip.compress(CONTENT, mtime=time)
        folder = tmp_path / str(time)
        folder.mkdir()
        address = server.put("a.gz", file(packed))
        assert fetch(remote(address, name="a.gz"), folder).md5 == MD5


# ---- what does not -------------------------------------------------------------------

TROUBLE = {
    "404": ([answer(404)], "404 Not Found"),
    "204": ([answer(204)], "204 No Content"),
    "403-hostile": ([raw(b"HTTP/1.1 403 \x1b[2Jgo away\r\n\r\n")], "403 ?[2Jgo away"),
    "no-http": ([raw(b"SSH-2.0-OpenSSH_9.2\r\n")], "SSH-2.0-OpenSSH_9.2"),
    "nothing": ([raw(b"")], "Remote end closed connection"),
    "long-line": ([raw(b"HTTP/1.1 200 OK\r\nX: " + bytes(70_000))], "more than 65536"),
    "loop": ([answer(302, Location="/a")], "infinite loop"),
    "to-file": ([answer(302, Location="file:///etc/passwd")], "302"),
    "to-ftp": ([answer(302, Location="ftp://127.0.0.1/a")], "not safe to follow"),
    "to-nothing": ([answer(302)], "302"),
    "to-garbage": ([answer(302, Location="http://[")], "Invalid IPv6 URL"),
    "too-large": ([file(CONTENT + bytes(10**6))], "more than the 1,000,000 bytes"),
    "goes-on": ([chunks(*[bytes(60_000)] * 20)], "more than the 1,000,000 bytes"),
    "wrong-sum": ([file(OTHER)], f"should be {MD5}; what came is kept as"),
    "bad-chunk": ([raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")],
                  "the connection was cut"),
    "chunk-below-0": ([raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                           b"-ffffffffffffffffffff\r\n")], "the connection was cut"),
    "cut": ([file(CONTENT, cut=999), answer(404)], "404"),
    "always-cut": ([file(CONTENT, cut=9)], "cut after 45 of 300,000 bytes"),
    "never-more": ([file(CONTENT, cut=0)], "cut after 0 of 300,000 bytes"),
    "no-416": ([answer(416)], "416"),
}  # fmt: skip


@pytest.mark.parametrize("name", TROUBLE)
def test_trouble_is_one_sentence_and_no_file(server, tmp_path, name):
    answers, words = TROUBLE[name]
    address = server.put("a", *answers)
    said = refused(lambda: fetch(remote(address), tmp_path), address, words)
    assert said.startswith("data.bin could not be fetched (")
    assert "data.bin" not in files_in(tmp_path)


@pytest.mark.parametrize("name", ["404", "wrong-sum", "too-large", "no-http", "cut"])
def test_the_next_address_is_tried(server, tmp_path, name):
    bad, good = server.put("a", *TROUBLE[name][0]), server.put("b", file(CONTENT))
    fetch(remote(bad, good), tmp_path)
    assert files_in(tmp_path).pop("data.bin") == CONTENT


def test_what_is_wrong_is_kept_aside(server, tmp_path):
    address = server.put("a", file(OTHER))
    refused(lambda: fetch(remote(address), tmp_path), str(tmp_path / "data.bin.wrong"))
    assert files_in(tmp_path) == {"data.bin.wrong": OTHER}


@pytest.mark.parametrize("name", ["data.npy", "data.h5", "data.gz"])
def test_a_page_is_no_file(server, tmp_path, name):
    """Some servers say "not here" as if that were the file; what came is not lost."""
    address = server.put("a", answer(200, b"<html>Not here</html>", Content_Length=21))
    (tmp_path / f"{name}.part").write_bytes(b"half of it")
    unknown = remote(address, name=name)
    refused(lambda: fetch(unknown, tmp_path), f"sends is no {name[4:]} file")
    assert files_in(tmp_path) == {f"{name}.part": b"half of it"}


def test_without_length_and_sum_nobody_knows_the_end(server, tmp_path):
    address = server.put("a", answer(200, CONTENT))
    unknown = remote(address, md5=None)
    refused(lambda: fetch(unknown, tmp_path), "does not say how long the file is")
    assert files_in(tmp_path) == {}


def test_garbage_is_a_file_or_a_sentence(server, tmp_path):
    """An answer with bytes changed, gone and added, and parts of one in any order."""
    head = b'HTTP/1.1 206 Partial Content\r\nContent-Length: 9\r\nETag: "a"\r\n'
    head += b"Content-Range: bytes 3-11/12\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole = head + b"9\r\n345678901\r\n0\r\n\r\n"
    rng = np.random.RandomState(8)
    for _ in range(60):
        content = bytearray(whole)
        for place in rng.randint(0, len(whole), rng.randint(1, 6)):
            content[place : place + rng.randint(9)] = rng.bytes(rng.randint(5))
        address = server.put("a", raw(content))
        (tmp_path / "data.bin.part").write_bytes(b"012")
        (tmp_path / "data.bin.part.from").write_bytes(rng.bytes(9))
        try:
            fetch(remote(address, md5=None), tmp_path).path.unlink()
        except NotFetched as error:
            assert str(error).isprintable()


def test_from_https_it_does_not_go_down_to_http():
    request = web.urllib.request.Request("https://example.org/a")
    with pytest.raises(ValueError, match="not safe to follow"):
        web._Redirects().redirect_request(
            request, None, 302, "Found", {}, "http://example.org/a"
        )


def test_a_server_that_says_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(web, "TIMEOUT", 0.1)
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/a"
        refused(lambda: fetch(remote(address), tmp_path), "nothing came for 0.1 second")


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/", "x"])
def test_only_the_web_is_asked(tmp_path, address):
    refused(lambda: fetch(remote(address), tmp_path), "unknown url type")


# ---- what is there -------------------------------------------------------------------


@pytest.mark.parametrize("md5", [MD5, None])
def test_a_file_that_is_there_is_not_fetched(tmp_path, md5):
    (tmp_path / "data.bin").write_bytes(CONTENT)
    fetched = fetch(remote(md5=md5), tmp_path)
    assert fetched.was_there and fetched.md5 == MD5


def test_a_wrong_file_that_is_there_is_not_touched(tmp_path):
    (tmp_path / "data.bin").write_bytes(b"mine")
    refused(lambda: fetch(remote(), tmp_path), "another file", "move it away")
    assert files_in(tmp_path) == {"data.bin": b"mine"}


def test_what_is_no_file_is_not_touched(tmp_path):
    (tmp_path / "data.bin").mkdir()
    refused(lambda: fetch(remote(), tmp_path), "not a file")


def test_two_downloads_do_not_mix(server, tmp_path):
    address = server.put("a", file(CONTENT))

    def meanwhile(handler):
        refused(lambda: fetch(remote(address), tmp_path), "by another download")
        file(CONTENT)(handler)

    fetch(remote(server.put("b", meanwhile)), tmp_path)
    assert server.asked("a") == []


def test_a_disk_without_room(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching.PartFile, "room", lambda _: 299_999)
    address = server.put("a", file(CONTENT))
    refused(lambda: fetch(remote(address), tmp_path), "300,000 more bytes are needed")


def test_a_full_disk(server, tmp_path):
    """A limit on the size of files fails as a full disk does, in the middle."""
    address = server.put("a", file(CONTENT))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        refused(lambda: fetch(remote(address), tmp_path), "File too large", "make room")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files_in(tmp_path) == {"data.bin.part": CONTENT[:100_000]}
