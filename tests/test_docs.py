"""The examples in the documentation do what they say, and its links lead somewhere.

Examples that end in the comment "on the CPU" need the CPU library.
"""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import cudamat
import videolstm

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "docs/cudamat.md", "docs/design.md"]
ON_CPU = re.compile(r"# on the CPU\b")


def run(test: doctest.DocTest) -> doctest.TestResults:
    """Runs a document's examples; those that need another library are left out."""
    if cudamat.load().kind != "cpu":
        test.examples = [x for x in test.examples if not ON_CPU.search(x.source)]
    printed: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    results = runner.run(test, out=printed.append)
    assert results.failed == 0, "".join(printed)
    return results


def examples_of(name: str) -> doctest.DocTest:
    text = (ROOT / name).read_text(encoding="utf-8")
    return doctest.DocTestParser().get_doctest(text, {}, name, name, 0)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_examples_of_documents(name):
    run(examples_of(name))


def test_there_are_examples():
    assert len(examples_of("docs/cudamat.md").examples) > 30
    assert len(examples_of("README.md").examples) >= 3


def modules():
    for package in (cudamat, videolstm):
        yield package.__name__
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "libcudamat" not in info.name:  # no module, though it ends in .so
                yield info.name


@pytest.mark.parametrize("name", list(modules()))
def test_examples_of_docstrings(name):
    module = importlib.import_module(name)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        run(test)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    """Files that are there, and headings in them."""
    path = ROOT / name
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+://", target):
            continue
        file, _, anchor = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


def anchors(path: Path) -> set[str]:
    """What GitHub calls the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
