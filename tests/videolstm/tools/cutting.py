"""What the tests of patches share: videos of known pixels, and what is made of them."""

import csv
import sys

import numpy as np
from PIL import Image

from tests.videolstm.video.making import noise, write_video
from videolstm.tools.patches import main

COMMAND = [sys.executable, "-m", "videolstm.tools.patches"]
SMALL = ["--frames", "4", "--size", "8", "--workers", "1"]


def make(folder, *options, sources=("videos",), out="p.npy"):
    """Runs the program on what is in `folder`; the bytes of all that it wrote."""
    names = [folder / source for source in sources]
    main([*map(str, names), "--out", str(folder / out), *SMALL, *map(str, options)])
    assert not (folder / f"{out}.parts").exists()
    return written(folder)


def written(folder):
    return {p.name: p.read_bytes() for p in folder.glob("p[._]*") if p.is_file()}


def origins(folder, name):
    with open(folder / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def write_videos(folder):
    """Makes a folder with six videos of known pixels; returns these by name."""
    folder.mkdir()
    pixels = {f"v{n}.avi": noise(20 + n, 16, 20, seed=n) for n in range(4)}
    for name, frames in pixels.items():
        write_video(folder / name, frames)
    pixels["a.npy"] = noise(17, 12, 12, seed=8)
    np.save(folder / "a.npy", pixels["a.npy"])
    pixels["images"] = noise(9, 10, 16, seed=9)
    (folder / "images").mkdir()
    for n, frame in enumerate(pixels["images"]):
        Image.fromarray(frame).save(folder / "images" / f"{n}.png")
    return pixels
