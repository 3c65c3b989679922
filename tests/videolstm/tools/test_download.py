"""Data sets by their names: what is said of what comes, and of what does not."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.videolstm.tools.remote_files import CONTENT, MD5, files_in, refused, remote
from tests.videolstm.tools.web_server import answer, file, serving
from videolstm.tools import fetch as fetching
from videolstm.tools.download import CATALOGUE, DataSet, main
from videolstm.tools.fetch import NotFetched, RemoteFile, fetch


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


# ---- the command line ----------------------------------------------------------------


@pytest.fixture
def catalogue(server):
    def data(*names, md5=MD5):
        files = tuple(
            RemoteFile(name, (f"{server.address}/{name}",), 10**6, md5)
            for name in names
        )
        return DataSet("Things.", files, "now look at {folder}")

    server.put("one", file(CONTENT))
    server.put("two", file(CONTENT))
    return {"pair": data("one", "two"), "new": data("one", md5=None),
            "half": data("one", "three")}  # fmt: skip


def test_names_bring_files(catalogue, tmp_path, capsys):
    folder = tmp_path / "a" / "b"
    main(["pair", "--out", str(folder)], catalogue)
    assert files_in(folder) == {"one": CONTENT, "two": CONTENT}
    assert capsys.readouterr().out.splitlines() == [
        f"{folder}/one: fetched, 300,000 bytes, md5 {MD5}, as it should be",
        f"{folder}/two: fetched, 300,000 bytes, md5 {MD5}, as it should be",
        f"pair: now look at {folder}",
    ]
    main(["new", "--out", str(folder)], catalogue)
    assert capsys.readouterr().out.splitlines() == [
        f"{folder}/one: was there, 300,000 bytes, md5 {MD5}, for which no sum is known",
        f"new: now look at {folder}",
    ]


def test_what_does_not_come_is_said_at_the_end(catalogue, tmp_path, capsys):
    said = refused(
        lambda: main(["half", "pair", "--out", str(tmp_path)], catalogue), "404"
    )
    assert files_in(tmp_path) == {"one": CONTENT, "two": CONTENT}
    place = catalogue["half"].files[1].addresses[0].removesuffix("three")
    assert said.endswith(f"by hand and put into {tmp_path}: from {place} three")
    assert capsys.readouterr().out.splitlines()[-1].startswith("pair: ")


def test_offline_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    place = f"http://127.0.0.1:{port}/"
    names = ("one", "two")
    files = tuple(RemoteFile(name, (place + name,), 9, MD5) for name in names)
    said = refused(
        lambda: main(["x", "--out", str(tmp_path)], {"x": DataSet("", files, "")})
    )
    assert said == (
        "there is no connection to 127.0.0.1 (Connection refused), so this machine may "
        "be offline: try again later, or fetch by hand and put into "
        f"{tmp_path}: from {place} one, two"
    )
    assert files_in(tmp_path) == {}


def test_a_name_that_cannot_be_found(tmp_path, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    said = refused(lambda: main(["mnist", "--out", str(tmp_path)]))
    assert said.startswith(
        "there is no connection to ossci-datasets.s3.amazonaws.com or "
        "storage.googleapis.com (Name or service not known), so this machine may be "
    )
    assert said.endswith("t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz")


def test_wrong_use(tmp_path, capsys):
    refused(lambda: main(["mnst"]), "'mnst' is not one of mnist, moving-mnist,")
    with pytest.raises(SystemExit):
        main([])
    assert "name what to fetch: mnist, " in capsys.readouterr().err
    (tmp_path / "file").touch()
    refused(lambda: main(["mnist", "--out", str(tmp_path / "file")]), "made a folder")


def test_the_list_says_what_is_known(capsys):
    main(["--list"])
    out = capsys.readouterr().out
    assert "mnist_test_seq.npy  (md5 be083ec986bfe91a449d63653c411eb2)" in out
    assert "ucf101_sample_train_patches.npy  (no checksum known)" in out


def test_the_catalogue_is_of_the_web():
    for data in CATALOGUE.values():
        assert data.then.format(folder="here")
        for each in data.files:
            assert each.most_bytes < 2**33
            for address in each.addresses:
                assert address.startswith(("http://www.cs.toronto.edu/", "https://"))
                assert address.endswith(f"/{each.name}")


def test_it_is_a_program(tmp_path):
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-m", "videolstm.tools.download", "nothing"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("download: 'nothing' is not one of mnist,")


def test_a_server_that_answers_is_not_offline(server, tmp_path):
    with pytest.raises(NotFetched) as caught:
        fetch(remote(server.put("a", answer(404))), tmp_path)
    assert not caught.value.offline
