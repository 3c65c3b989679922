"""Gradients against differences of the loss, as the 2016 release's GradCheck meant to.

A few entries of every weight are moved by +h and -h in turn, and

    (f(w + h) - f(w - h)) / 2h

is compared with the gradient that back-propagation gives; f is the training loss of a
batch, summed over its clips as gradients are. Dropout drops the same units each time,
and a conditional future predictor sees the true frames, as in training.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass, field, replace

import numpy as np
from tqdm import tqdm

import cudamat as cm
from videolstm.data import Batch
from videolstm.models.composite import Decoder
from videolstm.models.param import Param
from videolstm.models.vote import CROSS_ENTROPY, Classifier

# So many times as many entries are drawn as are probed; see `choose`.
DRAWN = 64


@dataclass(frozen=True)
class Limits:
    """How entries are moved, and what is an agreement.

    steps: h, largest first. A difference is wrong by about h^2/6 times the third
        derivative, which a smaller step cures, and by the rounding of two losses over
        2h, which a larger one does. So the smaller ones are tried only where the one
        before does not agree.
    tolerance: of the relative error.
    rounding: of a loss, relative to it: some units in its last place, since it is a sum
        of very many terms.
    """

    name: str
    steps: tuple[float, ...]
    tolerance: float
    rounding: float


# A wrong gradient is wrong by percents; what differences leave is some 1e-6 in double.
# Losses of the paper's model, 2e5 nats, were seen to be off by 2e-10.
DOUBLE = Limits("double", (1e-2, 1e-3, 1e-4), 1e-4, 4e-15)
# Here nothing better can be told: a loss of 1e3 is known to 1e-4, so a difference over
# 2e-2 to 5e-3.
FLOAT = Limits("single", (1e-2, 3e-3), 5e-2, 1e-7)


def limits() -> Limits:
    """Those for the library in use."""
    return DOUBLE if cm.real_type() == np.float64 else FLOAT


class TrainingLoss:
    """The training loss of a model on one batch, as a function of its weights."""

    def __init__(self, model, batch: Batch) -> None:
        self.model, self.labels = model, batch.labels
        self.classifies = isinstance(model, Classifier)
        self.totals = cm.learn.Totals(2)
        self.offset = cm.random_state.offset
        model.load(np.ascontiguousarray(batch.frames))

    def part_of(self, param: Param) -> Decoder | None:
        """The decoder that a weight belongs to, if the loss of that by itself says
        enough of the weight: what comes before it then need not be computed again."""
        if self.classifies or self.model.dropouts:
            return None
        for decoder in self.model.decoders:
            if any(param in layer.params.values() for layer in decoder.stack.layers):
                return decoder
        return None

    def value(self, only: Decoder | None = None) -> float:
        """The loss summed over the batch, nats or half squared error; of `only` one
        decoder, with the encoder's states as the last whole loss left them."""
        if only is None:
            return self._whole(derive=False)
        self.model.decode(only, train=True)
        self.model.add_losses(self.totals, only=only)
        return float(self.totals.take().sum())

    def derive(self) -> None:
        """Fills every `Param.dw`."""
        self._whole(derive=True)
        self.model.bprop()

    def _whole(self, derive: bool) -> float:
        cm.random_state.offset = self.offset  # the same units are dropped each time
        self.model.fprop(train=True)
        if self.classifies:
            self.model.add_losses(self.labels, self.totals, derive)
            return float(self.totals.take()[CROSS_ENTROPY])
        self.model.add_losses(self.totals, derive)
        return float(self.totals.take().sum())


# ----------------------------------------------------------------------- one entry


@dataclass(frozen=True)
class Entry:
    """One element of a weight, and what was found there.

    error: |numeric - analytic|, relative to the larger of the two or, where both are
        smaller than that, to the smallest gradient that rounding lets tell.
    verdict: ``agrees``; ``differs``; ``small``, where both are too small to tell; or
        ``kink``, where the loss has a bend just here (a relu at 0), so that it has two
        slopes, and the gradient lies between them.
    """

    row: int
    column: int
    analytic: float
    numeric: float
    error: float
    verdict: str


class Probe:
    """Compares elements of one weight, whose gradient is known; it is afterwards as it
    was before."""

    def __init__(self, loss: TrainingLoss, param: Param) -> None:
        self.loss, self.param = loss, param
        self.limits = limits()
        self.only = loss.part_of(param)
        loss.value()  # the encoder's states are those of no moved weight
        self.loss_here = loss.value(self.only)

    def entry(self, row: int, column: int) -> Entry:
        """Compares one element."""
        self.place = row, column
        self.start = self.param.w.read_value(row, column)
        self.analytic = self.param.dw.read_value(row, column)
        first, *smaller = self.limits.steps
        best = self._compared(first)
        if best.verdict != "differs":
            return best
        for h in smaller:
            found = self._compared(h)
            # What a step of a tenth no longer tells was a third derivative, or a fault
            # of less than a thousandth. After that, steps tell too little to say so.
            if found.verdict == "agrees" or (found.verdict, h) == ("small", smaller[0]):
                return found
            if found.verdict == "differs" and found.error < best.error:
                best = found
        return replace(best, verdict="kink") if self._is_kink(smaller[-1]) else best

    def _moved(self, h: float) -> tuple[float, float]:
        """The loss with the element moved by h, and how far that really was."""
        w = self.param.w
        w.write_value(*self.place, self.start + h)
        moved = w.read_value(*self.place) - self.start  # single precision rounds
        found = self.loss.value(self.only)
        w.write_value(*self.place, self.start)
        return found, moved

    def _compared(self, h: float) -> Entry:
        """A central difference beside the gradient."""
        (above, up), (below, down) = self._moved(h), self._moved(-h)
        numeric = (above - below) / (up - down)
        return self._judged(numeric, h)

    def _judged(self, numeric: float, h: float) -> Entry:
        analytic, limits = self.analytic, self.limits
        least = limits.rounding * abs(self.loss_here) / (2 * h) / limits.tolerance
        size = max(abs(analytic), abs(numeric))
        distance = abs(numeric - analytic)
        error = distance / max(size, least) if distance != 0 else 0.0
        verdict = "differs"
        if error <= limits.tolerance:
            verdict = "agrees" if size >= least or size == 0 else "small"
        return Entry(*self.place, analytic, numeric, error, verdict)

    def _is_kink(self, h: float) -> bool:
        """Whether the slopes to both sides differ, and the gradient is between them."""
        slopes = [
            (found - self.loss_here) / moved
            for found, moved in (self._moved(h), self._moved(-h))
        ]
        low, high = sorted(slopes)
        margin = self.limits.tolerance * max(abs(low), abs(high))
        if not high - low > margin:
            return False
        return low - margin <= self.analytic <= high + margin


# ----------------------------------------------------------------------- all weights


@dataclass
class Row:
    """What was found of one weight."""

    name: str
    entries: list[Entry] = field(default_factory=list)

    def count(self, verdict: str) -> int:
        return sum(entry.verdict == verdict for entry in self.entries)

    @property
    def worst(self) -> Entry | None:
        """The entry with the largest error, of those that differ or agree."""
        judged = [e for e in self.entries if e.verdict in ("differs", "agrees")]
        return max(
            judged, key=lambda e: np.inf if np.isnan(e.error) else e.error, default=None
        )

    @property
    def verdict(self) -> str:
        """``FAIL`` where an entry differs, ``pass`` where some agree and none differs,
        ``unclear`` where no entry could be compared."""
        if self.count("differs"):
            return "FAIL"
        return "pass" if self.count("agrees") else "unclear"


def choose(gradient: np.ndarray, count: int, draw: random.Random) -> list[tuple]:
    """Elements of a weight to probe: half of them at random, the others those with the
    largest gradients of many more that are drawn, since most can be 0 (weights of dark
    pixels)."""
    drawn = draw.sample(range(gradient.size), min(gradient.size, DRAWN * count))
    places = [divmod(element, gradient.shape[1]) for element in drawn]
    half = (count + 1) // 2
    rest = sorted(places[half:], key=lambda place: -abs(gradient[place]))
    return places[:half] + rest[: count - half]


def check_gradients(model, batch: Batch, entries: int, seed: int = 42) -> list[Row]:
    """Compares so many entries of each weight of a model on a batch: a row for each
    weight. Weights and the position of the random numbers are as before afterwards,
    gradients those of the batch."""
    loss = TrainingLoss(model, batch)
    loss.derive()
    draw = random.Random(seed)
    places = {p.name: choose(p.dw.asarray(), entries, draw) for p in model.params}
    rows = []
    with tqdm(
        total=sum(map(len, places.values())),
        disable=not sys.stderr.isatty(),
        unit="entry",
        leave=False,
        dynamic_ncols=True,
    ) as bar:
        for param in model.params:
            probe, row = Probe(loss, param), Row(param.name)
            for place in places[param.name]:
                row.entries.append(probe.entry(*place))
                bar.update()
            rows.append(row)
    cm.random_state.offset = loss.offset
    return rows
