"""Numerical health: what is no finite number stops a run, and the norms in its log."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import cudamat as cm
from videolstm.models.param import Param

NOTES = cm.learn.UPDATE_NOTES
# What the notes of a weight are, in their order (`cm.learn.update`).
WEIGHT_BEFORE, GRADIENT, WEIGHT_AFTER = range(NOTES)


class Health:
    """Watches the losses and the weights of a run.

    Each update notes on the board the first step at which a weight, its gradient or its
    new value had an element that is infinite or NaN; the sums of the losses are noted
    likewise. So the step is exact however late somebody looks. Looking does not wait
    for the board: on the CPU the notes are complete after each step, on a CUDA board
    they are once something has waited for it, such as a printed line.

    Args:
        params: all weights; from now on their updates are watched.
        totals: the sums of the losses. names: in words, what they are by their place;
            sums that have none are not watched.
        gradient_norms: what `gradient_norms` gives before the first step of this run:
            of the last step of the run that it continues.
    """

    def __init__(
        self,
        params: Sequence[Param],
        totals: cm.learn.Totals,
        names: dict[int, str],
        gradient_norms: Sequence[float] = (),
    ) -> None:
        self.params = list(params)
        self._before = tuple(gradient_norms)
        self.totals, self.names = totals, names
        self.watch = cm.learn.Watch(NOTES * len(self.params) + len(names))
        for number, param in enumerate(self.params):
            param.watch, param.watch_index = self.watch, NOTES * number

    # ------------------------------------------------------------------- finite or not

    def begin(self, step: int) -> None:
        """What is found from now on belongs to this step, counted from 1."""
        self.watch.step = step
        self._before = ()

    def end(self) -> None:
        """Has the losses of the step looked at."""
        first = NOTES * len(self.params)
        for number, which in enumerate(self.names):
            self.watch.total(self.totals, which, first + number)

    @property
    def fine(self) -> bool:
        """Whether nothing has been noted yet. Does not wait for the board."""
        return not self.watch.found()

    def seen(self) -> tuple[np.ndarray, np.ndarray]:
        """What this process has noted: for each note the first step, 0 for none, and
        the sums of the losses. Waits for the board."""
        return self.watch.read(), self.totals.read()

    def complaint(
        self, seen: Sequence[tuple[np.ndarray, np.ndarray]] | None = None
    ) -> str | None:
        """In words, what was not finite at the first step at which anything was; None
        where all is well.

        seen: of all processes that train together, of which each sees its own cases and
        its part of the weights; left out, of this one.
        """
        seen = [self.seen()] if seen is None else seen
        notes = np.stack([each for each, _ in seen])
        if not notes.any():
            return None
        step = int(notes[notes > 0].min())
        found = notes == step
        first = NOTES * len(self.params)
        weights = found[:, :first].any(axis=0).reshape(-1, NOTES).T
        who, which = np.nonzero(found[:, first:])
        losses = {}
        for process, number in zip(who, which, strict=True):
            number = list(self.names)[number]
            losses.setdefault(number, seen[process][1][number])
        return self._in_words(step, weights, losses)

    def _in_words(
        self, step: int, weights: np.ndarray, losses: dict[int, float]
    ) -> str:
        """`weights` (NOTES, weights) and `losses`, sums by their place, are what was
        noted at this step."""
        if weights[WEIGHT_BEFORE].any():
            found = self._listed(weights[WEIGHT_BEFORE])
            return f"before step {step} infinity or NaN is in the weight {found}"
        gradients = self._listed(weights[GRADIENT])
        if losses:
            which = min(losses, key=list(self.names).index)
            also = f", and so is the gradient of {gradients}" if gradients else ""
            return f"{self.names[which]} is {losses[which]} at step {step}{also}"
        if gradients:
            return f"infinity or NaN is in the gradient of {gradients} at step {step}"
        found = self._listed(weights[WEIGHT_AFTER])
        return f"infinity or NaN is in the weight {found} after step {step}"

    def _listed(self, chosen: np.ndarray) -> str:
        """The first of the weights and how many more; nothing where there is none."""
        names = [p.name for p, is_in in zip(self.params, chosen, strict=True) if is_in]
        if len(names) < 2:
            return "".join(names)
        return f"{names[0]} and {len(names) - 1} more"

    def unfit(self) -> str | None:
        """What of all that a checkpoint keeps is not finite, in words: looks at every
        element."""
        for param in self.params:
            kinds = {"weight": param.w, "history of": param.history}
            if param.rms is not None:
                kinds["root mean square of"] = param.rms
            for kind, matrix in kinds.items():
                if not matrix.allfinite():
                    return f"infinity or NaN is in the {kind} {param.name}"
        return None

    # ------------------------------------------------------------------- norms

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the log, two for each weight: ``<layer>:<weight>:norm`` and
        ``<layer>:<weight>:gradient_norm``."""
        kinds = ("norm", "gradient_norm")
        return tuple(f"{param.name}:{kind}" for param in self.params for kind in kinds)

    def gradient_norms(self) -> tuple[float, ...]:
        """The Euclidean norm of the gradient of each weight in the last step, summed
        over its batch, before weight decay, rms_prop and clipping."""
        if len(self._before) == len(self.params):
            return self._before
        return tuple(_rounded(param.dw.euclid_norm()) for param in self.params)

    def norms(self) -> dict[str, float]:
        """The norms of weights and gradients by their columns. They are added up on the
        board in double precision and a fixed order; 7 digits of them."""
        norms = [_rounded(param.w.euclid_norm()) for param in self.params]
        pairs = zip(norms, self.gradient_norms(), strict=True)
        return dict(zip(self.columns, (x for pair in pairs for x in pair), strict=True))


def _rounded(value: float) -> float:
    return float(f"{value:.7g}")
