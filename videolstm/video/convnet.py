"""A layer of any convolutional net that was exported to ONNX, as features of frames.

    net = Convnet("vgg.onnx", layer="fc6")
    rows = net(images)    # (n, height, width, colours) -> (n, net.dims)

The net is cut behind the layer, so that what comes after it costs nothing, and runs in
ONNX Runtime, on the CPU or on a CUDA board. A layer is named by what it computes (the
name of a tensor) or by its own name (that of a node), as in the file. Its values are
taken for each image, whatever their shape, as one row.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from videolstm.errors import UserError
from videolstm.limits import check_memory

if TYPE_CHECKING:
    import onnx

_INSTALL = "install both with `pip install onnx onnxruntime`"
_LISTED = 40
_MOST_SIDE = 2**14
MOST_IMAGES = 4096  # at once
_BYTES_OF_A_PIXEL = 8  # as it is prepared and as the net reads it
_SHOWN = 200  # characters of what ONNX Runtime says
# What a net may read, in ONNX Runtime's words.
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}


@dataclass(frozen=True)
class Net:
    """What is known of a Convnet, which cannot be sent to another process; the words
    are those of Convnet."""

    path: Path
    layer: str
    dims: int
    height: int
    width: int
    colours: int


class Convnet:
    """A net that gives a layer's values for images.

    height, width, colours: what it reads; dims: the numbers of a row; layer: the name
    of the layer. batch: how many images it takes at once, or None for any number.
    channels_first: whether it reads (n, colours, height, width).

    size: (height, width), for a net that takes any. board: "cpu" or the number of a
    CUDA device. threads: of the CPU, 0 for as many as there are cores.

    Raises UserError for a file that is no net, a layer that it does not have (with the
    names of those that it has), a net that does not read images, and where ONNX Runtime
    is missing or cannot run it.
    """

    def __init__(
        self,
        path: str | Path,
        layer: str | None = None,
        size: tuple[int, int] | None = None,
        board: str = "cpu",
        threads: int = 0,
    ) -> None:
        self.path = Path(path)
        model = load_net(self.path)
        self.layer = _cut_behind(model, layer, self.path)
        self._session = _session(model, self.path, board, threads)
        self._read_input(size)
        self.dims = self._measure()

    def facts(self) -> Net:
        return Net(
            self.path, self.layer, self.dims, self.height, self.width, self.colours
        )

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Rows (n, dims), float32, of images (n, height, width, colours), prepared as
        the net wants them. Raises UserError where the net fails."""
        images = np.asarray(images)
        if self.batch is None:
            return self._run(images)
        rows = []
        for start in range(0, len(images), self.batch):
            some = images[start : start + self.batch]
            # A net for a fixed number always gets as many; the last ones are for show.
            whole = np.zeros((self.batch, *some.shape[1:]), some.dtype)
            whole[: len(some)] = some
            rows.append(self._run(whole)[: len(some)])
        return np.concatenate(rows)

    def _run(self, images: np.ndarray) -> np.ndarray:
        if self.channels_first:
            images = images.transpose(0, 3, 1, 2)
        images = np.ascontiguousarray(images.astype(self._type, copy=False))
        try:
            (values,) = self._session.run([self.layer], {self._input: images})
        except Exception as error:  # ONNX Runtime's exceptions have no common class
            raise UserError(
                f"{self.path}: ONNX Runtime cannot run it on images of "
                f"{images.shape} ({_said(error)})"
            ) from None
        values = np.asarray(values)
        if values.ndim == 0 or len(values) != len(images) or values.dtype.kind != "f":
            raise UserError(
                f"{self.path}: the layer {self.layer!r} gives {values.dtype} of shape "
                f"{values.shape} for {len(images)} images, and it should be real "
                "numbers with an entry for each image"
            )
        return values.reshape(len(images), -1).astype(np.float32)

    def _read_input(self, size: tuple[int, int] | None) -> None:
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            names = ", ".join(each.name for each in inputs) or "none"
            raise UserError(
                f"{self.path}: the layer {self.layer!r} needs the inputs {names}, and "
                "it should need one, images"
            )
        (image,) = inputs
        self._input = image.name
        shape = [n if isinstance(n, int) and n > 0 else None for n in image.shape]
        if len(shape) != 4 or image.type not in _TYPES:
            raise UserError(
                f"{self.path}: its input {image.name!r} is {image.type} of shape "
                f"{image.shape}, and it should be images, (n, colours, height, width) "
                "or (n, height, width, colours)"
            )
        self._type = _TYPES[image.type]
        self.channels_first = shape[1] in (1, 3) or shape[3] not in (1, 3)
        self.batch, *rest = shape
        if (self.batch or 1) > MOST_IMAGES:
            raise UserError(
                f"{self.path}: takes {self.batch} images at once, and {MOST_IMAGES} "
                "are the most"
            )
        if self.channels_first:
            colours, *sides = rest
        else:
            *sides, colours = rest
        if colours not in (1, 3, None):
            raise UserError(
                f"{self.path}: reads images of {colours} colours, and it should be 1 "
                "or 3"
            )
        self.colours = colours or 3
        self.height, self.width = self._sides(sides, size)
        count = self.batch or 1
        pixels = count * self.height * self.width * self.colours
        check_memory(
            _BYTES_OF_A_PIXEL * pixels,
            f"{self.path}: what it reads, {count} images of {self.width}x{self.height} "
            "pixels at once,",
        )

    def _sides(
        self, sides: list[int | None], size: tuple[int, int] | None
    ) -> tuple[int, int]:
        if size is None and None in sides:
            raise UserError(
                f"{self.path}: takes images of any size: say with --size which it "
                "should be given, such as --size 224"
            )
        wanted = [n or m for n, m in zip(sides, size or sides, strict=True)]
        if size is not None and tuple(wanted) != tuple(size):
            raise UserError(
                f"{self.path}: takes images of {wanted[1]}x{wanted[0]} pixels, and "
                f"--size asks for {size[1]}x{size[0]}"
            )
        if max(wanted) > _MOST_SIDE:
            raise UserError(
                f"{self.path}: takes images of {wanted[1]}x{wanted[0]} pixels, and "
                f"{_MOST_SIDE} a side are the most"
            )
        return wanted[0], wanted[1]

    def _measure(self) -> int:
        """Numbers in a row: the net is asked about a black image."""
        black = np.zeros((1, self.height, self.width, self.colours), np.float32)
        return self(black).shape[1]


def load_net(path: Path) -> onnx.ModelProto:
    """The net in an .onnx file, with weights that lie in files beside it.

    Raises UserError for a file that is none.
    """
    library = _imported("onnx")
    if not os.path.isfile(path):
        kind = "is a folder" if os.path.isdir(path) else "there is no such file"
        raise UserError(f"{path}: {kind}, and it should be a net in ONNX format")
    try:
        model = library.load(os.fspath(path))
    except Exception as error:  # protobuf's, ONNX's own, or the system's
        raise UserError(
            f"{path}: cannot be read as a net in ONNX format ({_said(error)})"
        ) from None
    if not model.graph.node or not model.graph.output:
        raise UserError(f"{path}: no net in ONNX format, or an empty one")
    return model


def layers_of(model: onnx.ModelProto) -> list[str]:
    """What the nodes of a net compute, in the order of the file."""
    # In a damaged file some are bytes.
    made = [name for node in model.graph.node for name in node.output]
    return [name for name in made if name and isinstance(name, str)]


def _imported(name: str) -> ModuleType:
    try:
        return __import__(name)
    except ImportError as error:
        raise UserError(
            f"features come from ONNX Runtime, and {name} cannot be imported "
            f"({error}): {_INSTALL}"
        ) from None


# ---- cutting -------------------------------------------------------------------------


def _cut_behind(model: onnx.ModelProto, layer: str | None, path: Path) -> str:
    """Leaves of a net what a layer needs, makes that its output; returns its name."""
    graph = model.graph
    name = _find(model, layer, path)
    makers = {made: node for node in graph.node for made in node.output}
    needed, waiting = set(), [name]
    while waiting:
        wanted = waiting.pop()
        if wanted and wanted not in needed:
            needed.add(wanted)
            if wanted in makers:
                waiting += _read_by(makers[wanted])
    _keep(graph.node, lambda node: needed & set(node.output))
    _keep(graph.initializer, lambda weight: weight.name in needed)
    weights = {weight.name for weight in graph.initializer}
    # Old files list the weights among the inputs.
    _keep(graph.input, lambda put: put.name in needed and put.name not in weights)
    _keep(graph.output, lambda output: output.name == name)
    if not graph.output:
        graph.output.add(name=name)  # ONNX Runtime finds out its type
    return name


def _find(model: onnx.ModelProto, layer: str | None, path: Path) -> str:
    """The name of the tensor that a layer computes."""
    if layer is None:
        outputs = [output.name for output in model.graph.output]
        if len(outputs) == 1:
            return outputs[0]
        raise UserError(
            f"{path}: has {len(outputs)} outputs: name one of its layers with --layer, "
            f"such as {outputs[0]!r}"
        )
    names = layers_of(model)
    if layer in names:
        return layer
    for node in model.graph.node:
        if node.name == layer and node.output:
            return node.output[0]
    nodes = [node.name for node in model.graph.node]
    known = [*names, *(name for name in nodes if name and isinstance(name, str))]
    close = difflib.get_close_matches(layer, known, n=1)
    hint = f"did you mean {close[0]!r}? It" if close else "it"
    shown = ", ".join(names[-_LISTED:])
    left = len(names) - _LISTED
    more = f"{left} others and " if left > 0 else ""
    raise UserError(f"{path}: has no layer {layer!r}; {hint} has {more}{shown}")


def _read_by(node: onnx.NodeProto) -> Iterator[str]:
    """What a node reads, also inside of branches and loops."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _read_by(inner)
            yield from (output.name for output in graph.output)


def _keep(field: Any, wanted: Callable[[Any], object]) -> None:
    """Removes from a repeated field of a message what is not wanted; nothing is copied,
    since weights are large."""
    for index in reversed(range(len(field))):
        if not wanted(field[index]):
            del field[index]


# ---- running -------------------------------------------------------------------------


def _session(model: onnx.ModelProto, path: Path, board: str, threads: int) -> Any:
    runtime = _imported("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # what is wrong is said by us
    providers: list = ["CPUExecutionProvider"]
    if board != "cpu":
        if not board.isdecimal():
            raise UserError(
                f"board {board!r}: it should be the number of a CUDA device, such as "
                "0, or cpu"
            )
        if "CUDAExecutionProvider" not in runtime.get_available_providers():
            raise UserError(
                f"board {board}: this ONNX Runtime has no CUDA: install "
                "onnxruntime-gpu in place of onnxruntime, or take the board cpu"
            )
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(board)}))
    try:
        content = model.SerializeToString()
        session = runtime.InferenceSession(
            content,
            options,
            providers=providers,
            enable_fallback=0,  # it would say so on stdout, and try the same again
        )
    except Exception as error:  # ONNX Runtime's exceptions have no common class
        raise UserError(
            f"{path}: ONNX Runtime cannot load it ({_said(error)})"
        ) from None
    if board != "cpu" and "CUDAExecutionProvider" not in session.get_providers():
        raise UserError(
            f"board {board}: ONNX Runtime cannot use it; its CUDA libraries or the "
            "driver are missing or do not fit"
        )
    return session


def _said(error: Exception) -> str:
    """What a library said, in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
