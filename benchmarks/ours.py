"""Our model, as a process that the benchmarks ask: python -m benchmarks.ours FOLDER
SIZE-AS-JSON THREADS."""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

import cudamat as cm
from benchmarks.flops import Product, products
from benchmarks.parts import time_parts
from benchmarks.quiet import now, wait_for_quiet, was_quiet
from benchmarks.sizes import Size, describe, write_folder
from benchmarks.worker import Task, serve
from videolstm.models.classifier import LSTMClassifier
from videolstm.models.composite import LSTMCombo
from videolstm.models.vote import CROSS_ENTROPY

PATIENCE = 10.0  # seconds to wait for quiet in a short measurement


class OurTask(Task):
    """The model of a size. Writes into `folder` what the other side needs to start from
    the same weights with the same batch."""

    def __init__(self, folder: Path, size: Size, threads: int) -> None:
        cm.load("cpu")
        cm.set_threads(threads)
        self.size = size
        config = describe(size)
        path = str(size.model)
        if size.classes:
            self.model = LSTMClassifier(config, path, size.frames)
            self.totals, self.count = self.model.train_totals, 1
        else:
            self.model = LSTMCombo(config, path, size.frames)
            self.totals, self.count = self.model.train_losses, 2
        write_folder(folder, size, config.binary_data, self.model.params, threads)
        with np.load(folder / "start.npz") as start:
            for param in self.model.params:
                param.w.overwrite(start[param.name])
        self.frames = np.load(folder / "frames.npy")
        self.batch = (self.frames,)
        if size.classes:
            self.batch += (np.load(folder / "labels.npy"),)

    def describe(self) -> dict:
        return {
            "name": "videolstm",
            "blas": cm.blas_name(),
            "threads": cm.threads(),
            "precision": str(cm.real_type()),
            "numpy": np.__version__,
        }

    def step(self) -> None:
        self.model.train_step(*self.batch)
        cm.cuda_sync_threads()

    def losses(self) -> list[float]:
        assert CROSS_ENTROPY == 0
        return [float(total) for total in self.totals.take()[: self.count]]

    def arrays(self) -> dict[str, np.ndarray]:
        found = {}
        for param in self.model.params:
            found[param.name] = param.w.asarray()
            found[f"{param.name}_grad"] = param.history.asarray()
        return found

    # ---- what only ours is asked -----------------------------------------------------

    def extra(self, what: str) -> dict:
        if what == "parts":
            return self._parts()
        if what == "products":
            return {"ms": self._products()}
        if what == "evaluation":
            return {"ms": median_ms(lambda: self.model.evaluate(self.frames), 1.0)}
        if what == "density":
            return {"density": float(np.mean(self.frames != 0))}
        return super().extra(what)

    def _products(self) -> float:
        """Milliseconds of all products of a step, each shape measured alone."""
        shapes = {product._replace(part="", count=1) for product in products(self.size)}
        alone = {shape: product_ms(shape) for shape in shapes}
        return sum(
            product.count * alone[product._replace(part="", count=1)]
            for product in products(self.size)
        )

    def _parts(self) -> dict:
        """As `time_parts`, of a second of steps in which nobody else was at work, or,
        after some trials, of the last second."""
        for _ in range(5):
            wait_for_quiet(PATIENCE)
            before, start = now(), time.perf_counter()
            self.step()
            steps = max(1, round(1.0 / (time.perf_counter() - start)))
            found = time_parts(self.step, self.model.params, steps)
            if was_quiet(before, now()):
                break
        return found


def median_ms(function, seconds: float, patience: float = PATIENCE) -> float:
    """Milliseconds of a call: the median of so many seconds that nobody else disturbed,
    or, where there are none for `patience` seconds, of all."""
    function()
    times: dict[bool, list[float]] = {True: [], False: []}
    end = time.perf_counter() + patience
    while time.perf_counter() < end and sum(times[True]) < 1e3 * seconds:
        before, calls = now(), 0
        start = time.perf_counter()
        while calls == 0 or time.perf_counter() - start < min(0.2, seconds / 3):
            function()
            calls += 1
        ms = 1e3 * (time.perf_counter() - start) / calls
        times[was_quiet(before, now())] += [ms] * calls
    return statistics.median(times[True] or times[False])


def product_ms(product: Product) -> float:
    """Milliseconds of one product alone, by the library's own `dot`."""
    m, n, k = product.m, product.n, product.k
    left = cm.empty((k, m) if product.transposed == "a" else (m, k)).fill_with_randn()
    right = cm.empty((n, k) if product.transposed == "b" else (k, n)).fill_with_randn()
    left = left.T if product.transposed == "a" else left
    right = right.T if product.transposed == "b" else right
    target = cm.empty((m, n))

    def once():
        cm.dot(left, right, target)
        cm.cuda_sync_threads()

    return median_ms(once, 0.4)


if __name__ == "__main__":
    serve(OurTask(Path(sys.argv[1]), Size(**json.loads(sys.argv[2])), int(sys.argv[3])))
