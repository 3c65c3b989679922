"""What learning needs: the LSTM step, output and loss of a decoder and of a classifier,
weight updates.

The equations stand in cudamat/src/lstm.cu, loss.cu, classify.cu and optimizer.cu.
"""

import ctypes as ct

import numpy as np

from .buffer import Address, Buffer
from .library import CUDAMatException, lib
from .matrix import CUDAMatrix

# How h and its derivative are made: tanh as in the paper, the release's use_relu, and
# use_relu with the release's derivative, which is not that of its forward pass.
TANH, RELU, RELU_OF_2016 = 0, 1, 2

# Notes that `update` makes of a weight.
UPDATE_NOTES = 3

# Output of a decoder: sigmoid and cross-entropy; linear and half the squared error;
# relu and half the squared error.
BINARY, REAL, RECTIFIED = 0, 1, 2


def mult_by_sigmoid_deriv(target: CUDAMatrix, acts: CUDAMatrix) -> None:
    """target *= acts (1 - acts): a derivative goes back through a sigmoid with the
    output `acts`."""
    lib.cm_logistic_deriv(target, acts, target)


class Totals:
    """Sums in double precision that stay on the board until they are read."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.buffer = Buffer(8 * count)
        self.clear()

    def place(self, index: int) -> Address:
        """Where on the board one of the sums is."""
        if index not in range(self.count):
            raise CUDAMatException(f"there is no sum {index!r}; there are {self.count}")
        return Address(self.buffer, 8 * index)

    def clear(self) -> None:
        self.write(np.zeros(self.count))

    def write(self, values) -> None:
        host = np.array(values, np.float64)
        if host.shape != (self.count,):
            raise CUDAMatException(
                f"values of shape {host.shape} were given for {self.count} sums"
            )
        lib.cm_copy_in(self.buffer.pointer, host.ctypes.data, host.nbytes)
        lib.cm_synchronize()

    def read(self) -> np.ndarray:
        """The sums, float64 (count,). Waits for the board."""
        host = np.empty(self.count)
        lib.cm_copy_out(host.ctypes.data, self.buffer.pointer, host.nbytes)
        return host

    def take(self) -> np.ndarray:
        """The sums as `read` gives them; they start again at 0."""
        sums = self.read()
        self.clear()
        return sums


class Watch:
    """Notes the first step at which values were infinite or NaN.

    Each of `count` notes is 0, or the `step` that it was the first time. Kernels write
    them while they pass over the values anyway, in memory that the host reads without
    waiting for the board: on the CPU they are up to date, on a CUDA board when it has
    been waited for, and before that as far as it has come.

    Attributes:
        step: what is noted from now on; 1 or more.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._now = Buffer(8)
        self.step = 1
        self.buffer = Buffer(8 * count, seen=True)
        memory = (ct.c_double * count).from_address(self.buffer.pointer or 0)
        self._first = np.frombuffer(memory, np.float64) if count else np.zeros(0)
        self.clear()

    @property
    def step(self) -> int:
        return self._step

    @step.setter
    def step(self, value: int) -> None:
        self._step = value
        lib.cm_watch_step(self.now, value)

    def place(self, index: int, notes: int = 1) -> Address:
        """Where the first of some notes is."""
        if not 0 <= index <= self.count - notes:
            raise CUDAMatException(
                f"there is no note {index!r}; there are {self.count}"
            )
        return Address(self.buffer, 8 * index)

    @property
    def now(self) -> Address:
        """Where on the board the step is."""
        return Address(self._now)

    def clear(self) -> None:
        lib.cm_synchronize()
        self._first[:] = 0

    def found(self) -> bool:
        """Whether there is a note. Does not wait for the board."""
        return bool(self._first.any())

    def read(self) -> np.ndarray:
        """The notes, float64 (count,). Waits for the board."""
        lib.cm_synchronize()
        return self._first.copy()

    def total(self, totals: Totals, which: int, index: int) -> None:
        """Looks at one of the sums of `totals`, and notes it at `index`."""
        place = self.place(index)
        lib.cm_watch_total(totals.place(which), place, self.now)


def lstm_fprop(
    gates: CUDAMatrix,
    cell_before: CUDAMatrix,
    w_diag: CUDAMatrix,
    b: CUDAMatrix,
    cell: CUDAMatrix,
    hidden: CUDAMatrix,
    activation: int = TANH,
) -> None:
    """One step of n units for a batch of B cases.

    gates (4n, B) holds W_input x + W_dense h' and becomes the gates i, f, a, o; `cell`
    and `hidden` (n, B) are written; `cell_before` (n, B), w_diag (1, 3n) and b (1, 4n)
    are read.
    """
    lib.cm_lstm_fprop(
        gates,
        cell_before,
        w_diag,
        b,
        cell,
        hidden,
        activation,
    )


def lstm_bprop(
    gates: CUDAMatrix,
    cell_before: CUDAMatrix,
    cell: CUDAMatrix,
    w_diag: CUDAMatrix,
    hidden_deriv: CUDAMatrix,
    cell_deriv: CUDAMatrix,
    activation: int = TANH,
) -> None:
    """The step backwards: gates (4n, B) becomes the derivative of the loss with respect
    to what it held before `lstm_fprop`; `cell_deriv` (n, B), the derivative with
    respect to the cell through later steps, becomes that with respect to the cell
    before."""
    lib.cm_lstm_bprop(
        gates,
        cell_before,
        cell,
        w_diag,
        hidden_deriv,
        cell_deriv,
        activation,
    )


def lstm_diag_grad(
    gates_deriv: CUDAMatrix,
    cell_before: CUDAMatrix,
    cell: CUDAMatrix,
    target: CUDAMatrix,
) -> None:
    """Gradient (1, 3n) of the peephole weights, summed over all columns: time and
    cases.

    gates_deriv (4n, TB) as `lstm_bprop` leaves it, cell_before and cell (n, TB).
    """
    lib.cm_lstm_diag_grad(gates_deriv, cell_before, cell, target)


def output(z: CUDAMatrix, b: CUDAMatrix, kind: int, target: CUDAMatrix) -> CUDAMatrix:
    """target = the non-linearity of `kind` of z + b; z (dims, n), b (1, dims)."""
    lib.cm_output(z, b, kind, target)
    return target


def output_loss(
    z: CUDAMatrix,
    b: CUDAMatrix,
    data: CUDAMatrix,
    kind: int,
    totals: Totals,
    index: int,
    derive: bool = False,
) -> None:
    """Adds the loss of outputs z + b against the data, summed over all elements (nats,
    or half squared error), to a total. With `derive`, z becomes the loss's
    derivative."""
    lib.cm_output_loss(z, b, data, kind, derive, 1.0, totals.place(index))


def softmax_output(z: CUDAMatrix, b: CUDAMatrix, target: CUDAMatrix) -> CUDAMatrix:
    """target = softmax of each column of z + b; z (classes, n), b (1, classes)."""
    lib.cm_softmax_output(z, b, target)
    return target


def softmax_loss(
    z: CUDAMatrix,
    b: CUDAMatrix,
    labels: CUDAMatrix,
    target: CUDAMatrix,
    totals: Totals,
    index: int,
    derive: bool = False,
) -> CUDAMatrix:
    """target = softmax of each column of z + b, and its cross-entropy with the labels,
    in nats and summed over columns, is added to a total.

    z (classes, frames B) has a column for each frame and case, time outermost; labels
    (1, B) are the classes of the cases, from 0. One that is no class makes the total
    NaN. With `derive`, z becomes the loss's derivative.
    """
    lib.cm_softmax_loss(z, b, labels, target, derive, 1.0, totals.place(index))
    return target


def vote(
    p: CUDAMatrix,
    target: CUDAMatrix,
    labels: CUDAMatrix | None = None,
    totals: Totals | None = None,
    index: int = 0,
) -> CUDAMatrix:
    """target (classes, B) = mean of p (classes, frames B) over the frames. Where labels
    (1, B) are given, the number of cases whose mean is largest at their label, the
    first of equals, is added to a total."""
    place = None if labels is None else totals.place(index)
    lib.cm_vote(p, labels, target, 1.0, place)
    return target


def update(
    w: CUDAMatrix,
    history: CUDAMatrix,
    gradient: CUDAMatrix,
    rms: CUDAMatrix | None = None,
    *,
    momentum: float,
    epsilon: float,
    l2_decay: float = 0.0,
    gradient_clip: float = 0.0,
    rms_prop_factor: float = 0.95,
    watch: Watch | None = None,
    index: int = 0,
) -> None:
    """One update of a weight matrix and its history (and root mean square), in place.

    A `watch` notes at `index` and the two places after it the first step at which the
    weight before, the gradient (with rms_prop its square) and the weight after had an
    element that is infinite or NaN.
    """
    lib.cm_update(
        w,
        history,
        gradient,
        rms,
        momentum,
        epsilon,
        l2_decay,
        gradient_clip,
        rms_prop_factor,
        None if watch is None else watch.place(index, UPDATE_NOTES),
        None if watch is None else watch.now,
    )
