"""The frames of a video file, decoded by FFmpeg through PyAV.

Every frame that decodes is given once, in the order in which they are shown, with its
time stamp. What the file says about showing them is followed: the display matrix of a
phone that was held upright or of a mirrored camera (in steps of a quarter turn), the
colour matrix (BT.601, BT.709, BT.2020) and the range (limited or full) of the values.
A file that does not say is taken as FFmpeg takes it: BT.601, limited. Sound and further
streams are left alone; interlaced fields and pixels that are not square stay as stored.

One thread decodes, so that a damaged file gives the same frames on every machine.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from videolstm.errors import UserError
from videolstm.video.frame import MOST_PIXELS, Frame, check_size

if TYPE_CHECKING:
    import av

# Readers of FFmpeg that fetch other files or that make a picture of any text.
_NO_VIDEOS = {"concat", "dash", "hls", "sdp", "tty", "bin", "idf", "adf", "xbin"}

# How the planes of a frame become red, green and blue: FFmpeg's own choice, with all
# that makes it exact and independent of the processor.
_SCALE = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"
# AVColorSpace: those whose matrix FFmpeg's scaler knows, and "unspecified".
_MATRICES = {1, 2, 4, 5, 6, 7, 9, 10}
_UNSPECIFIED = 2


def video_frames(path: Path, notes: list[str]) -> Iterator[Frame]:
    """The frames of the first video stream of a file.

    notes: takes sentences on what was damaged; the frames around that are given, and
    the first one after it does not follow.

    Raises UserError for a file that has no video, or none that can be decoded, and
    where PyAV is not installed.
    """
    library = load_av()
    with closing(_open(library, path)) as container:
        stream = _stream(container, path)
        check_size(path, stream.codec_context.height, stream.codec_context.width)
        yield from _Decoder(library, path, notes).frames(container, stream)


@dataclass(frozen=True)
class Header:
    """What a video file says of itself, None where it does not: how many frames it has,
    how many a second on average, and how long it is in seconds. codec, container:
    FFmpeg's names."""

    frames: int | None
    rate: Fraction | None
    seconds: float | None
    codec: str
    container: str


def video_header(path: Path) -> Header:
    """What the file says of its first video stream; raises as `video_frames`."""
    library = load_av()
    with closing(_open(library, path)) as container:
        stream = _stream(container, path)
        seconds = None
        if stream.duration is not None and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            seconds = container.duration / library.time_base
        return Header(
            frames=stream.frames if stream.frames > 0 else None,
            rate=stream.average_rate or None,
            seconds=seconds if seconds is not None and seconds > 0 else None,
            codec=stream.codec_context.name,
            container=container.format.name,
        )


def load_av() -> ModuleType:
    """PyAV; UserError where it is missing."""
    try:
        import av
    except ImportError as error:
        raise UserError(
            f"videos are decoded by PyAV, which cannot be imported ({error}): install "
            "it with `pip install av`, or name folders of images"
        ) from None
    av.logging.set_level(av.logging.PANIC)  # what is wrong is said by us, once
    return av


def _open(library: ModuleType, path: Path) -> av.container.InputContainer:
    # A plain file and nothing else: a name with a colon in it is no address, and what
    # is in the file must not make FFmpeg open another one.
    options = {"protocol_whitelist": "file"}
    try:
        container = library.open(f"file:{path.absolute()}", container_options=options)
    except (library.FFmpegError, OSError, ValueError) as error:
        reason = _reason(error) if path.stat().st_size else "it is empty"
        raise UserError(f"{path}: cannot be read as a video ({reason})") from None
    if _NO_VIDEOS & set(container.format.name.split(",")):
        name = container.format.name
        container.close()
        raise UserError(f"{path}: cannot be read as a video (it looks like {name})")
    return container


def _stream(
    container: av.container.InputContainer, path: Path
) -> av.video.stream.VideoStream:
    from av.stream import Disposition

    for stream in container.streams.video:
        # The cover of a song is a video stream of one frame.
        if not stream.disposition & Disposition.attached_pic:
            context = stream.codec_context
            if context is None:
                raise UserError(f"{path}: its codec is not known to FFmpeg")
            context.thread_count = 1
            context.options = {"max_pixels": str(MOST_PIXELS)}
            return stream
    raise UserError(f"{path}: there is no video in it")


def _reason(error: Exception) -> str:
    """FFmpeg's own words."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split()).lower()


class _Decoder:
    """Decodes one file and keeps count of what went wrong."""

    def __init__(self, library: ModuleType, path: Path, notes: list[str]) -> None:
        self.path, self.notes, self.library = path, notes, library
        self.errors = (library.FFmpegError, OSError, ValueError)
        self.given = self.damaged = self.done = 0
        self.follows = False
        self.why = ""

    def frames(
        self,
        container: av.container.InputContainer,
        stream: av.video.stream.VideoStream,
    ) -> Iterator[Frame]:
        rate = stream.average_rate
        step = Fraction(rate.denominator, rate.numerator) if rate else None
        time = None
        for decoded in self._decoded(container, stream):
            if decoded.is_corrupt:
                self._lost("frames are marked as damaged")
                continue
            time = _time(decoded, decoded.time_base or stream.time_base, time, step)
            yield self._frame(decoded, time)
        if not self.given:
            why = f" ({self.why})" if self.why else ""
            raise UserError(f"{self.path}: no frame of it can be decoded{why}")
        if self.damaged:
            used = "1 frame is" if self.given == 1 else f"{self.given:,} frames are"
            self.notes.append(
                f"{self.path}: damaged or cut short ({self.why}): {used} used"
            )

    def _decoded(
        self,
        container: av.container.InputContainer,
        stream: av.video.stream.VideoStream,
    ) -> Iterator[av.VideoFrame]:
        """All that decodes; damage is counted and passed over."""
        for packet in self._packets(container, stream):
            try:
                # None: nothing more comes, what the decoder holds back is due
                pictures = packet.decode() if packet else stream.decode()
            except EOFError:
                return
            except self.errors as error:
                self._lost(_reason(error))
                continue
            yield from pictures

    def _packets(
        self,
        container: av.container.InputContainer,
        stream: av.video.stream.VideoStream,
    ) -> Iterator[av.Packet | None]:
        """The packets of the stream; None last where the container breaks off."""
        try:
            for packet in container.demux(stream):
                if packet.is_corrupt:
                    self._lost("packets are marked as damaged")
                if packet.pos is not None:
                    self.done = max(self.done, packet.pos + packet.size)
                yield packet
        except self.errors as error:
            self._lost(_reason(error))
            yield None

    def _lost(self, why: str) -> None:
        self.damaged += 1
        self.why = self.why or why
        self.follows = False

    def _frame(self, decoded: av.VideoFrame, time: Fraction | None) -> Frame:
        check_size(self.path, decoded.height, decoded.width)
        turn = _display_matrix(decoded)
        size = (decoded.height, decoded.width)
        follows, self.follows = self.follows, True
        self.given += 1

        def rgb() -> np.ndarray:
            try:
                return turned(_converted(self.library, decoded), turn)
            except self.errors as error:
                _graph.cache_clear()  # there may be a frame left in it
                raise UserError(
                    f"{self.path}: its pixels ({decoded.format.name}) cannot be "
                    f"converted to red, green and blue ({_reason(error)})"
                ) from None

        return Frame(
            time, size[::-1] if _upright(turn) else size, follows, self.done, rgb
        )


def _time(
    decoded: av.VideoFrame,
    base: Fraction | None,
    last: Fraction | None,
    step: Fraction | None,
) -> Fraction | None:
    """When a frame is shown; without a time stamp, a frame after the last one."""
    stamp = decoded.pts if decoded.pts is not None else decoded.dts
    if stamp is not None and base:
        return stamp * Fraction(base.numerator, base.denominator)
    if step is None:
        return None
    return step * 0 if last is None else last + step


# ---- pixels --------------------------------------------------------------------------


def _converted(library: ModuleType, decoded: av.VideoFrame) -> np.ndarray:
    """Red, green and blue, uint8 (height, width, 3), not yet turned."""
    if decoded.colorspace not in _MATRICES:
        decoded.colorspace = _UNSPECIFIED
    graph = _graph(
        library,
        decoded.width,
        decoded.height,
        decoded.format.name,
        int(decoded.colorspace),
        int(decoded.color_range),
    )
    graph.push(decoded)
    return graph.pull().to_ndarray()


@functools.lru_cache(maxsize=2)
def _graph(
    library: ModuleType,
    width: int,
    height: int,
    pixels: str,
    matrix: int,
    levels: int,
) -> av.filter.Graph:
    """FFmpeg's filters that turn frames of this kind into rgb24."""
    graph = library.filter.Graph()
    source = graph.add(
        "buffer",
        video_size=f"{width}x{height}",
        pix_fmt=pixels,
        time_base="1/1",
        colorspace=str(matrix),
        range=str(levels),
    )
    # Small frames take longer to share among threads than to convert.
    scale = graph.add("scale", flags=_SCALE, threads="1")
    rgb = graph.add("format", pix_fmts="rgb24")
    sink = graph.add("buffersink")
    for before, after in ((source, scale), (scale, rgb), (rgb, sink)):
        before.link_to(after)
    graph.configure()
    return graph


# ---- orientation ---------------------------------------------------------------------

Turn = tuple[int, int, int, int]
_AS_STORED: Turn = (1, 0, 0, 1)


def _display_matrix(decoded: av.VideoFrame) -> Turn:
    """a, b, c, d of the frame's display matrix: the pixel at (x, y) is shown at
    (a x + c y, b x + d y), x to the right and y downwards."""
    from av.sidedata.sidedata import Type

    data = decoded.side_data.get(Type.DISPLAYMATRIX)
    if data is None:
        return _AS_STORED
    numbers = np.frombuffer(bytes(data), np.int32, 9)
    return tuple(int(n) for n in numbers[[0, 1, 3, 4]])


def _upright(turn: Turn) -> bool:
    """Whether height and width change places, to the nearest quarter turn."""
    a, b, c, d = turn
    return abs(b) + abs(c) > abs(a) + abs(d)


def turned(rgb: np.ndarray, turn: Turn) -> np.ndarray:
    """Pixels (height, width, 3) as they are shown, to the nearest quarter turn."""
    a, b, c, d = turn
    if _upright(turn):
        rgb, mirror_x, mirror_y = rgb.swapaxes(0, 1), c < 0, b < 0
    else:
        mirror_x, mirror_y = a < 0, d < 0
    rgb = rgb[:: -1 if mirror_y else 1, :: -1 if mirror_x else 1]
    return np.ascontiguousarray(rgb)
