"""Fetches the data sets that can be fetched, and says what to do with them.

    python -m videolstm.tools.download --list
    python -m videolstm.tools.download mnist --out mnist
    python -m videolstm.tools.download moving-mnist

Files that are there already are checked and left alone. What was cut goes on where it
stopped when the same command is given again. Nothing else here needs a network:
`videolstm.tools.digits` draws digits from fonts.

The checksums of MNIST are those of the unpacked files, since mirrors pack them anew
from time to time; they, and that of moving MNIST, are those that many programs hold
their copies against. Nobody seems to have published sums of the files of the paper's
releases: for those the sum of what came is printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from videolstm.command import parser, run
from videolstm.errors import UserError
from videolstm.tools.fetch import Fetched, NotFetched, RemoteFile, fetch

_MNIST = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
# The university's server answers both; some networks still let only one through.
_PAPER = tuple(
    f"{scheme}://www.cs.toronto.edu/~nitish/unsupervised_video/"
    for scheme in ("https", "http")
)
_RELEASE = tuple(
    f"{scheme}://www.cs.toronto.edu/~emansim/datasets/" for scheme in ("https", "http")
)
_GIB = 2**30


@dataclass(frozen=True)
class DataSet:
    """A name's files, and what they are; then: what to do next, with {folder} in it."""

    about: str
    files: tuple[RemoteFile, ...]
    then: str


def _file(name: str, places: Sequence[str], most: int, md5: str | None) -> RemoteFile:
    return RemoteFile(name, tuple(place + name for place in places), most, md5)


def _mnist(name: str, most: int, md5: str) -> RemoteFile:
    return _file(name, _MNIST, most, md5)


# A limit is the size of the file and some room, or, where the size is not known, more
# than anything of the kind should have.
CATALOGUE: Mapping[str, DataSet] = {
    "mnist": DataSet(
        "MNIST's handwritten digits, 60,000 to train and 10,000 to test on, 12 MB",
        (
            _mnist(
                "train-images-idx3-ubyte.gz",
                12 * 10**6,
                "6bbc9ace898e44ae57da46a324031adb",
            ),
            _mnist(
                "train-labels-idx1-ubyte.gz",
                40 * 10**3,
                "a25bea736e30d166cdddb491f175f624",
            ),
            _mnist(
                "t10k-images-idx3-ubyte.gz",
                2 * 10**6,
                "2646ac647ad5339dbf082846283269ea",
            ),
            _mnist(
                "t10k-labels-idx1-ubyte.gz",
                6 * 10**3,
                "27ae3e4e09519cfbb04c329615203637",
            ),
        ),
        "make digits of them with `python -m videolstm.tools.mnist {folder} --out "
        "mnist.h5`",
    ),
    "moving-mnist": DataSet(
        "the standard test set of moving MNIST, 10,000 videos of 20 frames, 819 MB",
        (
            _file(
                "mnist_test_seq.npy",
                _PAPER,
                820 * 10**6,
                "be083ec986bfe91a449d63653c411eb2",
            ),
        ),
        "name {folder}/mnist_test_seq.npy as data_file in a copy of "
        "datasets/bouncing_mnist_valid.pbtxt",
    ),
    "release-mnist": DataSet(
        "the 2016 release's digits, as datasets/bouncing_mnist.pbtxt names them",
        (_file("mnist.h5", _RELEASE, _GIB, None),),
        "datasets/bouncing_mnist.pbtxt finds it when you stand in {folder}",
    ),
    "release-bouncing": DataSet(
        "the 2016 release's bouncing digits to validate on, 819 MB",
        (_file("bouncing_mnist_test.npy", _RELEASE, _GIB, None),),
        "datasets/bouncing_mnist_valid.pbtxt finds it when you stand in {folder}",
    ),
    "release-patches": DataSet(
        "the 2016 release's sample of 32x32 patches of UCF-101",
        (
            _file("ucf101_sample_train_patches.npy", _RELEASE, 4 * _GIB, None),
            _file("ucf101_sample_valid_patches.npy", _RELEASE, 4 * _GIB, None),
        ),
        "datasets/ucf101_patches.pbtxt and ucf101_patches_valid.pbtxt find them when "
        "you stand in {folder}",
    ),
    "release-2015": DataSet(
        "the 2015 release, as it was published, to read; nothing here needs it",
        (_file("unsup_video_lstm.tar.gz", _PAPER, _GIB, None),),
        "look into it with `tar tzf {folder}/unsup_video_lstm.tar.gz`",
    ),
}


def download(names: Sequence[str], folder: Path, catalogue: Mapping) -> None:
    """Fetches the files of data sets into a folder, saying what happens.

    Raises UserError, when everything else has been tried, for files that did not come.
    """
    missing: dict[str, NotFetched] = {}
    wanted = {file.name: file for name in names for file in catalogue[name].files}
    for name, file in wanted.items():
        try:
            print(_said(file, fetch(file, folder)), flush=True)
        except NotFetched as error:
            missing[name] = error
            if error.offline:
                break  # the others would be waited for just as long
    for name in dict.fromkeys(names):
        data = catalogue[name]
        if all((folder / file.name).is_file() for file in data.files):
            print(f"{name}: {data.then.format(folder=folder)}")
    if missing:
        raise UserError(_by_hand(missing, wanted, folder))


def _said(file: RemoteFile, fetched: Fetched) -> str:
    """A line on a file that is there now."""
    size = f"{fetched.path.stat().st_size:,} bytes"
    packed = " of what is packed in it" if file.name.endswith(".gz") else ""
    sum_ = f"md5{packed} {fetched.md5}"
    checked = "as it should be" if file.md5 else "for which no sum is known"
    was = "was there" if fetched.was_there else "fetched"
    return f"{fetched.path}: {was}, {size}, {sum_}, {checked}"


def _by_hand(
    missing: Mapping[str, NotFetched], wanted: Mapping[str, RemoteFile], folder: Path
) -> str:
    """One sentence: why, and what to do."""
    left: dict[str, list[str]] = {}
    for file in wanted.values():
        if not (folder / file.name).is_file():
            left.setdefault(file.addresses[0].removesuffix(file.name), []).append(
                file.name
            )
    what = "; ".join(
        f"from {place} {', '.join(names)}" for place, names in left.items()
    )
    errors = list(missing.values())
    if errors[-1].offline:
        reasons = errors[-1].reasons
        servers = dict.fromkeys(urlsplit(address).hostname for address in reasons)
        words = dict.fromkeys(map(str, reasons.values()))
        why = (
            f"there is no connection to {' or '.join(map(str, servers))} "
            f"({', '.join(words)}), so this machine may be offline"
        )
    else:
        why = "; ".join(map(str, errors))
    return f"{why}: try again later, or fetch by hand and put into {folder}: {what}"


def listing(catalogue: Mapping[str, DataSet]) -> str:
    """What can be fetched, for people."""
    lines = []
    for name, data in catalogue.items():
        lines.append(f"{name}: {data.about}")
        for file in data.files:
            md5 = f"md5 {file.md5}" if file.md5 else "no checksum known"
            lines.append(f"    {file.addresses[0]}  ({md5})")
    return "\n".join(lines)


def main(
    arguments: Sequence[str] | None = None,
    catalogue: Mapping[str, DataSet] = CATALOGUE,
) -> None:
    """Command line: fetch data sets by name."""
    options = parser(
        "python -m videolstm.tools.download",
        "Fetch data sets by name; what was cut goes on, what is there is checked.",
    )
    options.add_argument(
        "names",
        nargs="*",
        default=argparse.SUPPRESS,  # there is none for the help to show
        metavar="NAME",
        help="; ".join(f"{name}: {data.about}" for name, data in catalogue.items()),
    )
    options.add_argument(
        "--out", default=".", metavar="DIR", help="where to put the files; it is made"
    )
    options.add_argument(
        "--list", action="store_true", help="say what there is, and fetch nothing"
    )
    chosen = options.parse_args(arguments)
    vars(chosen).setdefault("names", [])
    _check_names(options, chosen, catalogue)
    if chosen.list:
        print(listing(catalogue))
        return
    folder = Path(chosen.out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be made a folder ({error.strerror})"
        ) from None
    download(chosen.names, folder, catalogue)


def _check_names(
    options: argparse.ArgumentParser,
    chosen: argparse.Namespace,
    catalogue: Mapping[str, DataSet],
) -> None:
    if not chosen.names and not chosen.list:
        options.error(f"name what to fetch: {', '.join(catalogue)}")
    for name in chosen.names:
        if name not in catalogue:
            raise UserError(f"{name!r} is not one of {', '.join(catalogue)}")


if __name__ == "__main__":
    run(main)
