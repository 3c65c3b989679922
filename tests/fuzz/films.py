"""Good videos, images and nets, and some that are made to do harm, all tiny.

The bytes are the same in every process, so that an input can be made again by its
number: the muxers are told to write no dates and no random numbers.
"""

from __future__ import annotations

import functools
import io
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from PIL import Image

from tests.videolstm.video.making import moving, set_matrix, write_video
from tests.videolstm.video.nets import tiny_net

_EXACT = {"fflags": "+bitexact"}
# x265, which made it, does not give the same bytes every time.
_HEVC = Path(__file__).parent / "corpus" / "video__of_hevc.mkv"
_HEIGHT, _WIDTH = 18, 22  # of images


# ---- videos --------------------------------------------------------------------------

_CODECS = (
    ("a.mp4", "libx264", "yuv420p", {"sound": "aac"}),
    ("a.mkv", "libx264", "yuv420p", {"times": [0, 10, 55, 56, 200, 1000, 1033]}),
    ("a.ts", "libx264", "yuv420p", {}),
    ("a.webm", "libvpx-vp9", "yuv420p", {}),
    ("b.webm", "libvpx", "yuv420p", {}),
    ("a.mkv", "ffv1", "bgr0", {}),
    ("a.avi", "mpeg4", "yuv420p", {"sound": "mp2"}),
    ("b.avi", "mjpeg", "yuvj420p", {}),
    ("c.avi", "rawvideo", "bgr24", {}),
    ("a.mpg", "mpeg2video", "yuv420p", {}),
    ("a.wmv", "wmv2", "yuv420p", {}),
    ("a.flv", "flv", "yuv420p", {}),
    ("b.mov", "png", "rgb24", {}),
    ("c.mov", "qtrle", "rgb24", {}),
    ("a.gif", "gif", "rgb8", {}),
    ("a.nut", "huffyuv", "yuv422p", {}),
    ("a.y4m", "rawvideo", "yuv420p", {}),
)


@functools.cache
def videos() -> list[bytes]:
    frames, made = moving(7, 32, 48), [_HEVC.read_bytes()]
    with tempfile.TemporaryDirectory() as folder:
        for name, codec, pixels, options in _CODECS:
            path = Path(folder) / name
            write_video(path, frames, codec, pixels, muxer=_EXACT, **options)
            made.append(path.read_bytes())
            if name == "b.mov":  # on its side
                set_matrix(path, 0, 1, -1, 0)
                made.append(path.read_bytes())
    return [
        *made,
        *_no_videos(),
        _of_size(made[8], 8000, 8000),
        _of_size(made[9], 1, 0),
    ]


def _no_videos() -> list[bytes]:
    return [
        b"",
        b"#EXTM3U\n#EXTINF:1,\nfilm.npy\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile film.npy\nfile /etc/passwd\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5004 RTP/AVP 96\n",
        b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'></MPD>",
        b"YUV4MPEG2 W99999 H99999 F25:1 C444\nFRAME\n" + bytes(100),
        b"YUV4MPEG2 W4 H4 F0:0 C444\n" + (b"FRAME\n" + bytes(48)) * 3,
    ]


def _of_size(avi: bytes, width: int, height: int) -> bytes:
    """An .avi whose header says another size."""
    place = avi.find(b"strf") + 12
    return avi[:place] + struct.pack("<2i", width, height) + avi[place + 8 :]


# ---- images --------------------------------------------------------------------------


@functools.cache
def images() -> list[bytes]:
    """The first ones are as large as each other; see `picture`."""
    colours = Image.fromarray(moving(1, _HEIGHT, _WIDTH)[0])
    levels = colours.convert("L")
    deep = Image.fromarray(np.asarray(levels).astype(np.uint16) * 257)
    floats = Image.fromarray(np.asarray(levels).astype(np.float32))
    turned = Image.Exif()
    turned[0x112] = 6
    three = {"save_all": True, "append_images": [levels.convert("RGB")] * 2}
    made = [
        _saved(image, kind, **how)
        for image, kind, how in (
            (colours, "PNG", {}), (levels, "PNG", {}), (deep, "PNG", {}),
            (colours.convert("P"), "PNG", {}), (colours.convert("RGBA"), "PNG", {}),
            (colours.convert("1"), "PNG", {}), (colours, "JPEG", {}),
            (colours, "JPEG", {"progressive": True, "exif": turned}),
            (colours.convert("CMYK"), "JPEG", {}), (levels, "JPEG", {}),
            (colours, "BMP", {}), (colours.convert("P"), "BMP", {}),
            (colours, "TIFF", {}), (deep, "TIFF", {}), (floats, "TIFF", {}),
            (colours, "TIFF", {"compression": "tiff_lzw"}),
            (colours, "TIFF", {"compression": "tiff_adobe_deflate"}),
            (colours, "TIFF", {"compression": "packbits"}),
            (colours.convert("1"), "TIFF", {"compression": "group4"}),
            (colours, "WEBP", {}), (colours, "WEBP", {"lossless": True}),
            (colours, "PPM", {}), (levels, "PPM", {}), (colours, "GIF", {}),
            (colours, "GIF", three), (colours, "PNG", three), (colours, "WEBP", three),
            (colours.resize((9, 9)), "PNG", {}), (colours, "ICO", {}),
            (colours, "TGA", {"compression": "tga_rle"}), (colours, "SGI", {}),
            (colours, "PCX", {}), (colours, "DDS", {}), (colours, "JPEG2000", {}),
        )
    ]  # fmt: skip
    huge = struct.pack(">2I", 60000, 60000)
    return [*made, made[0][:16] + huge + made[0][24:], b"P6\n99999 99999\n255\n", b""]


def picture() -> bytes:
    """A good image, for those beside."""
    return images()[0]


def _saved(image: Image.Image, kind: str, **how) -> bytes:
    memory = io.BytesIO()
    image.save(memory, kind, **how)
    return memory.getvalue()


# ---- nets ----------------------------------------------------------------------------

_VARIANTS = (
    {}, {"first": False}, {"batch": 1}, {"batch": 4}, {"listed": True},
    {"beside": "net.data"}, {"elem_type": TensorProto.UINT8},
    {"elem_type": TensorProto.DOUBLE}, {"colours": 1}, {"size": ("h", "w")},
)  # fmt: skip


@functools.cache
def nets() -> list[bytes]:
    """Of 6x8 pixels, as tests.videolstm.video.nets makes them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        made = []
        for options in _VARIANTS:
            tiny_net(path, **options)
            made.append(path.read_bytes())
    model = onnx.load_from_string(made[0])
    return [*made, *(_changed(model, change) for change in _HARM), b""]


def _changed(model: onnx.ModelProto, change: Callable) -> bytes:
    other = onnx.ModelProto()
    other.CopyFrom(model)
    change(other.graph)
    return other.SerializeToString()


def _replaced(*nodes: tuple) -> Callable:
    """The net's last node but one becomes these; an operator, inputs, outputs."""

    def change(graph: onnx.GraphProto) -> None:
        del graph.node[4]
        for place, (kind, reads, makes, more) in enumerate(nodes, start=4):
            graph.node.insert(place, helper.make_node(kind, reads, makes, **more))

    return change


def _constant(name: str, *values: int) -> tuple:
    data = helper.make_tensor(name, TensorProto.INT64, [len(values)], values)
    return ("Constant", [], [name], {"value": data})


def _input_of(*shape: int) -> Callable:
    def change(graph: onnx.GraphProto) -> None:
        dims = graph.input[0].type.tensor_type.shape.dim
        for dim, value in zip(dims, shape, strict=True):
            dim.dim_value = value

    return change


def _elsewhere(graph: onnx.GraphProto) -> None:
    """Weights that are in a file of the system."""
    weight = graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../../../../../../etc/passwd")


_HARM = (
    _replaced(_constant("n", 2**40), ("ConstantOfShape", ["n"], ["big"], {}),
              ("ReduceSum", ["big"], ["sum"], {}),
              ("Add", ["fc6", "sum"], ["relu6"], {})),
    _replaced(_constant("n", -1, 2**62), ("Reshape", ["fc6", "n"], ["relu6"], {})),
    _replaced(_constant("n", 2**20, 2**20), ("Tile", ["fc6", "n"], ["relu6"], {})),
    _replaced(("Relu", ["relu6"], ["relu6"], {})),
    _replaced(("Gather", ["fc6", "n"], ["relu6"], {"axis": 7}), _constant("n", 2**60)),
    _replaced(("Div", ["fc6", "fc6"], ["nan"], {}), ("Log", ["nan"], ["relu6"], {})),
    _input_of(4096, 3, 16000, 16000), _input_of(1, 3, 12000, 12000), _elsewhere,
)  # fmt: skip
