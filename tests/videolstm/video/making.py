"""What the tests of videos share: pictures that are known, and videos made of them."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def noise(count, height, width, seed=0):
    """Random pictures, uint8 (count, height, width, 3): no two places are alike."""
    shape = (count, height, width, 3)
    return np.random.RandomState(seed).randint(0, 256, shape, np.uint8)


def moving(count, height, width):
    """Smooth pictures that move, which any codec keeps nearly."""
    y, x, t = np.ogrid[:height, :width, :count]
    planes = [
        128 + 90 * np.sin(0.15 * x + 0.1 * y + 0.2 * t + phase) for phase in (0, 1, 2)
    ]
    return np.stack(planes, -1).round().astype(np.uint8).transpose(2, 0, 1, 3)


def write_video(
    path,
    frames,
    codec="ffv1",
    pixels="bgr0",
    rate=25,
    times=None,
    sound=None,
    muxer=None,
    **options,
):
    """Encode frames, uint8 (count, height, width, 3) of red, green and blue, or
    av.VideoFrames. times: when each is shown, in milliseconds. sound: an audio codec.
    muxer: options of the container. options: of the codec."""
    with av.open(str(path), "w", container_options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        first = frames[0]
        height, width = (
            first.shape[:2]
            if isinstance(first, np.ndarray)
            else (first.height, first.width)
        )
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        audio = container.add_stream(sound, rate=44100) if sound else None
        for number, frame in enumerate(frames):
            if isinstance(frame, np.ndarray):
                frame = av.VideoFrame.from_ndarray(frame, "rgb24").reformat(
                    format=pixels, dst_colorspace="ITU601"
                )
            frame.pts = number if times is None else times[number]
            frame.time_base = Fraction(1, rate if times is None else 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio:
            _add_sound(container, audio, len(frames) / rate)
    return Path(path)


def _add_sound(container, stream, seconds):
    """A hum."""
    samples = np.sin(np.arange(int(44100 * seconds)) / 20).astype(np.float32)
    size = 1024
    for start in range(0, len(samples) - size, size):
        frame = av.AudioFrame.from_ndarray(
            samples[None, start : start + size], format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts = 44100, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def set_matrix(path, a, b, c, d):
    """Write the display matrix of an .mov or .mp4: the track header box (ISO/IEC
    14496-12, 8.3.2) has it 40 bytes behind its version, nine numbers of 16.16 or 2.30
    bits in the order a b u c d v x y w."""
    data = bytearray(Path(path).read_bytes())
    place = data.index(b"tkhd") + 4
    assert data[place] == 0  # the version with times of 32 bits
    one = 1 << 16
    numbers = (a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    data[place + 40 : place + 76] = struct.pack(">9i", *numbers)
    Path(path).write_bytes(data)
