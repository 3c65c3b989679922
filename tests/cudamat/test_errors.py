"""What goes wrong in every operation of the table: an exception with a sentence, and
nothing written, instead of a crash."""

import re

import numpy as np
import pytest

import cudamat as cm
from cudamat.matrix import Buffer, CUDAMatrix
from tests.cudamat.framed import Framed, frame
from tests.cudamat.table import ROWS, shapes

OPERANDS = [
    pytest.param(row, which, id=f"{row.name}-{which}")
    for row in ROWS
    for which in range(row.operands)
]
WITH_TARGET = [pytest.param(row, id=row.name) for row in ROWS if "target" in row.modes]


def make(row, size="odd"):
    """The operands and, where the row can have one, a target."""
    given = frame(row.make(size), [False] * row.operands)
    target = None
    if "target" in row.modes:
        target = Framed(np.zeros(shapes(row.pattern, size)[-1]))
    return given, target


def message_of(row, operands, target) -> str:
    with pytest.raises(cm.CUDAMatException) as error:
        row.ours(*operands, target)
    return str(error.value)


@pytest.mark.parametrize(("row", "which"), OPERANDS)
def test_freed_operand(row, which):
    given, target = make(row)
    given[which].matrix.free_device_memory()
    message = message_of(row, [g.matrix for g in given], target and target.matrix)
    assert "has no memory (was it freed?)" in message
    if target:
        target.check_untouched()


@pytest.mark.parametrize(
    ("row", "which"),
    [
        p
        for p in OPERANDS
        if p.values[0].takes_certain_shapes and p.values[1] not in p.values[0].free
    ],
)
def test_operand_of_another_shape(row, which):
    given, target = make(row)
    rows, cols = given[which].matrix.shape
    operands = [g.matrix for g in given]
    for shape in ((rows + 1, cols + 1), (cols + 7, rows + 9), (0, 0)):
        operands[which] = cm.zeros(shape)
        message = message_of(row, operands, target and target.matrix)
        assert re.search(r"\d\).* (needed|must agree|do not multiply)", message)
    for framed in [*given, target] if target else given:
        framed.check_untouched()


WRONG = {
    "None": (None, ("is missing", "but it is None")),
    "list": ([1.0], ("but it is a list",)),
    "text": ("text", ("but it is a str",)),
    "array": (np.zeros((5, 3)), ("but it is a ndarray",)),
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize(
    ("row", "which"),
    [p for p in OPERANDS if p.values[1] not in (0, p.values[0].receiver)],
)
def test_operand_that_is_no_matrix(row, which, kind):
    value, messages = WRONG[kind]
    given, target = make(row)
    operands = [g.matrix for g in given]
    operands[which] = value
    message = message_of(row, operands, target and target.matrix)
    assert any(part in message for part in messages), message
    for framed in [*given, target] if target else given:
        framed.check_untouched()


@pytest.mark.parametrize("row", WITH_TARGET)
def test_target_that_does_not_fit(row):
    given, target = make(row)
    operands = [g.matrix for g in given]
    rows, cols = target.matrix.shape
    for wrong in (cm.zeros((rows, cols + 1)), cm.zeros((rows + 1, cols))):
        message = message_of(row, operands, wrong)
        assert f"({rows}, {cols})" in message and str(wrong.shape) in message
    for wrong in ([1.0], "text", 3.0, np.zeros((rows, cols))):
        message = message_of(row, operands, wrong)
        assert f"must be a CUDAMatrix, but it is a {type(wrong).__name__}" in message
    target.matrix.free_device_memory()
    assert "has no memory (was it freed?)" in message_of(row, operands, target.matrix)


@pytest.mark.parametrize("row", WITH_TARGET)
def test_target_that_overlaps_an_operand(row):
    """An operand whose last element is the target's first."""
    for which in range(row.operands):
        given, target = make(row)
        operands = [g.matrix for g in given]
        memory = Buffer(4096)
        rows, cols = operands[which].shape
        operands[which] = CUDAMatrix._view(memory, 0, rows, cols)
        overlapping = CUDAMatrix._view(memory, rows * cols - 1, *target.matrix.shape)
        assert "the target overlaps the" in message_of(row, operands, overlapping)


@pytest.mark.parametrize("row", WITH_TARGET)
def test_target_that_is_an_operand(row):
    """Element-wise operations work in place, but not on the transpose; the others say
    that they do not."""
    square = cm.CUDAMatrix(np.random.default_rng(0).standard_normal((1, 1)))
    for which in range(row.operands):
        operands = [cm.zeros((4, 4)) for _ in range(row.operands)]
        operands[which] = shared = cm.CUDAMatrix(np.arange(16.0).reshape(4, 4))
        if row.is_elementwise:
            assert "shifted or transposed" in message_of(row, operands, shared.T)
        elif "k" in row.pattern:
            assert "does not work in place" in message_of(row, operands, shared)
        else:  # vectors and sums: shapes agree where everything is 1x1
            operands = [cm.zeros((1, 1)) for _ in range(row.operands)]
            operands[which] = shared = square
            if which == 0 and row.operands == 2:
                continue  # in place
            assert "does not work in place" in message_of(row, operands, shared)


# ----------------------------------------------------------------------- others

M = cm.zeros((2, 2))
NO_NUMBER = "must be a number, but it is a str"
OTHERS = {
    "sigmoid(None)": (lambda: cm.sigmoid(None), "sigmoid: the matrix is missing"),
    "sigmoid(1.0)": (
        lambda: cm.sigmoid(1.0),
        "sigmoid: argument 1 must be a CUDAMatrix",
    ),
    "dot(None)": (lambda: cm.dot(None, M), "m1 must be a CUDAMatrix, but it is None"),
    "dot(m, None)": (
        lambda: cm.dot(M, None),
        "m2 must be a CUDAMatrix, but it is None",
    ),
    "m.dot(list)": (
        lambda: M.dot([1.0]),
        "mat2 must be a CUDAMatrix, but it is a list",
    ),
    "dot alpha": (lambda: cm.dot(M, M, alpha="x"), NO_NUMBER),
    "add_dot beta": (lambda: M.add_dot(M.copy(), M.copy(), beta="x"), NO_NUMBER),
    "add_mult alpha": (lambda: M.add_mult(M.copy(), "x"), NO_NUMBER),
    "vdot(None)": (lambda: cm.vdot(None, M), "vdot: the first matrix is missing"),
    "sum(None)": (lambda: cm.sum(None, 0), "mat must be a CUDAMatrix, but it is None"),
    "sum axis": (lambda: cm.sum(M, "x"), "axis is 'x'; it must be 0 or 1"),
    "sum mult": (lambda: cm.sum(M, 0, mult="x"), NO_NUMBER),
    "add text": (
        lambda: M.add("x"),
        "add: argument 2 must be a CUDAMatrix or a number",
    ),
    "assign None": (lambda: M.assign(None), "must be a CUDAMatrix or a number"),
    "squash": (lambda: M.apply_relu_squash(None), "must be a number, but it is None"),
    "slice": (
        lambda: M.slice(0.5, 1),
        "columns 0.5 to 1: a range is given by two whole",
    ),
    "rows": (
        lambda: M.get_row_slice(None, 1),
        "rows None to 1: a range is given by two",
    ),
    "set rows": (
        lambda: M.set_row_slice(0, 1, None),
        "the matrix must be a CUDAMatrix",
    ),
    "overwrite": (lambda: M.overwrite(None), "an array of shape () was given"),
    "seed": (
        lambda: cm.CUDAMatrix.init_random("x"),
        "a seed is a whole number, not 'x'",
    ),
    "dropout": (
        lambda: M.fill_with_dropout_mask(None),
        "must be a number, but it is None",
    ),
    "threads": (lambda: cm.set_threads(None), "must be a whole number, but it is None"),
    "load": (
        lambda: cm.load("gpu"),
        "there is no library 'gpu', only 'cpu' and 'cuda'",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_wrong_arguments(name):
    call, message = OTHERS[name]
    with pytest.raises(cm.CUDAMatException) as error:
        call()
    assert message in str(error.value)


def test_numpy_numbers_are_numbers():
    for number in (2, True, np.float32(2), np.float64(2), np.int8(2), np.array(2.0)):
        assert cm.zeros((1, 1)).add(number).total() == float(number)
