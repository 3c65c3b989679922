"""display_results.py as a user runs it: what it prints, saves and draws."""

import csv
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from tests.commands import BOARD, CLIPS, SIDE, run_program, train, write_files
from tests.videolstm.helpers import GOLDEN, difference, read_h5
from videolstm.config import read_model, write_text

DEC = FUT = 3


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a trained model, and the name of its description there."""
    folder = tmp_path_factory.mktemp("trained")
    write_files(folder)
    run = train(folder, "model.pbtxt", "train.pbtxt", "valid.pbtxt", BOARD)
    return folder, str(run.description.relative_to(folder))


def show(trained, *args):
    """Runs the program, which must succeed without a word on stderr."""
    folder, model = trained
    data = args[0] if args and args[0].endswith(".pbtxt") else "valid.pbtxt"
    rest = args[1:] if args and args[0] == data else args
    done = run_program(folder, "display_results.py", model, data, BOARD, *rest)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def files(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


# ---- numbers -------------------------------------------------------------------------


def test_numbers_are_those_of_the_predictions(trained):
    folder, model = trained
    output = show(trained, "--save", "p.h5", "--csv", "n.csv")
    arrays, attributes = read_h5(folder / "p.h5")
    assert {name: a.shape for name, a in arrays.items()} == {
        "input": (CLIPS, 6, SIDE**2),
        "reconstruction": (CLIPS, DEC, SIDE**2),
        "future": (CLIPS, FUT, SIDE**2),
        "state/lstm_1_enc": (CLIPS, 6 * 3),
    }
    stored = np.load(folder / "valid.npy").reshape(CLIPS, -1, SIDE**2)[:, :6]
    np.testing.assert_array_equal(
        arrays["input"], stored.astype("f4") / np.float32(255)
    )
    assert attributes["model"] == model
    assert attributes["data"] == "valid.pbtxt"
    assert attributes["checkpoint"] == model.replace(".pbtxt", ".h5")
    assert attributes["iteration"] == 3
    with (folder / "n.csv").open(newline="") as file:
        rows = {
            (r["part"], r["frame"], r["predictor"]): r for r in csv.DictReader(file)
        }
    truth = arrays["input"].astype(float)
    for part, first in (("reconstruction", 0), ("future", DEC)):
        for who in ("model", "copy") if part == "future" else ("model",):
            made = arrays[part].astype(float)
            if who == "copy":
                made = np.broadcast_to(truth[:, DEC - 1 : DEC], made.shape)
            expected = [
                frame_numbers(truth[:, first + t], made[:, t]) for t in range(3)
            ]
            total = {name: np.mean([e[name] for e in expected]) for name in expected[0]}
            for frame, numbers in zip(
                ("all", *range(first + 1, first + 4)), [total, *expected], strict=True
            ):
                row = rows.pop((part, str(frame), who))
                for name, value in numbers.items():
                    assert float(row[name]) == pytest.approx(value, rel=1e-6), name
                if who == "model":
                    # a logarithm of what is saved as float32
                    loss = losses(truth, made, first, frame)
                    assert float(row["loss"]) == pytest.approx(loss, rel=2e-5)
    assert not rows
    assert re.search(r"^Reconstruction, frames 1 to 3, teacher-forced: ", output, re.M)
    assert re.search(r"^Future, frames 4 to 6, free-running: ", output, re.M)
    assert "nats: cross-entropy per frame" in output


def frame_numbers(truth, made):
    """Of one frame of every video, (videos, dims); images by scikit-image."""
    pairs = [
        (t.reshape(SIDE, SIDE), m.reshape(SIDE, SIDE))
        for t, m in zip(truth, made, strict=True)
    ]
    with np.errstate(divide="ignore"):
        psnr = [peak_signal_noise_ratio(*pair, data_range=1.0) for pair in pairs]
    return {
        "mse": ((made - truth) ** 2).sum(axis=1).mean(),
        "mae": abs(made - truth).sum(axis=1).mean(),
        "mse_per_value": ((made - truth) ** 2).mean(),
        "mae_per_value": abs(made - truth).mean(),
        "ssim": np.mean([structural_similarity(*p, data_range=1.0) for p in pairs]),
        "psnr": np.mean(psnr),
    }


def losses(truth, made, first, frame):
    """Cross-entropy per frame, of one frame or of all."""
    v, p = truth[:, first : first + 3], made
    nats = -(v * np.log(p) + (1 - v) * np.log1p(-p)).sum(axis=2)
    return nats.mean() if frame == "all" else nats[:, frame - first - 1].mean()


def test_numbers_are_those_of_validation(trained, tmp_path):
    # what training prints of the same weights and videos
    write_files(tmp_path, validate_after=3)
    run = train(tmp_path, "model.pbtxt", "train.pbtxt", "valid.pbtxt", BOARD)
    model = str(run.description.relative_to(tmp_path))
    output = show((tmp_path, model), "--csv", "n.csv")
    found = re.findall(r"^ +all +([\d.]+)", output, re.M)
    expected = [f"{run.losses[3, name]:.2f}" for name in ("VDec", "VFut")]
    assert found == expected


def test_future_is_what_the_release_predicts(tmp_path):
    # A checkpoint in the release's format, and the reference's frames as features.
    golden = GOLDEN / "cases"
    arrays, attributes = read_h5(golden / "combo_cond.h5")
    model = read_model(golden / "combo_cond.model.pbtxt")
    model.checkpoint_dir, model.timestamp[:] = "out", ["20150402101112"]
    (tmp_path / "out").mkdir()
    write_text(model, tmp_path / "out" / "m.pbtxt")
    stem = f"{model.name}_20150402101112"
    with h5py.File(tmp_path / "out" / f"{stem}.h5", "w") as file:
        for name in attributes["param_names"]:
            weights = arrays[f"init/{name}"]
            file[name], file[f"{name}_grad"] = weights, np.zeros_like(weights)
            file.attrs[f"{name}_t"] = 0
    videos = arrays["input/v"]
    frames = int(attributes["seq_length"])
    names = [f"v{k}.h5" for k in range(len(videos))]
    for name, video in zip(names, videos, strict=True):
        with h5py.File(tmp_path / name, "w") as file:
            file["feat"] = video.reshape(frames, -1)
    (tmp_path / "files.txt").write_text("\n".join(names))
    (tmp_path / "counts.txt").write_text(f"{frames}\n" * len(videos))
    (tmp_path / "data.pbtxt").write_text(
        'dataset_type: UNLABELLED data_file: "files.txt" dataset_name: "feat"\n'
        f'num_frames_file: "counts.txt" num_frames: {frames} batch_size: 2\n'
    )
    output = show((tmp_path, "out/m.pbtxt"), "data.pbtxt", "--save", "p.h5")
    assert "feature vectors, which have no SSIM" in output
    saved, _ = read_h5(tmp_path / "p.h5")
    for name, expected in {
        "future": arrays["expect/test/v_fut"],
        "reconstruction": arrays["expect/test/v_dec"].reshape(
            *saved["reconstruction"].shape
        )[:, ::-1],
        **{
            f"state/{layer.name}": arrays[f"expect/train/enc_state/{layer.name}"]
            for layer in model.lstm
        },
    }.items():
        expected = expected.reshape(saved[name].shape)
        # 200 roundings of a float, the reference values' own limit
        assert difference(saved[name], expected) <= 2e-5, name


# ---- pictures ------------------------------------------------------------------------


def test_by_default_a_picture_and_an_animation(trained):
    folder, model = trained
    before = files(folder)
    output = show(trained)
    stem = model.removesuffix(".pbtxt") + "_valid"
    assert files(folder) - before == {f"{stem}.png", f"{stem}.gif"}
    for path in (f"{stem}.png", f"{stem}.gif"):
        assert f"Picture written to {path}" in output
    with Image.open(folder / f"{stem}.gif") as animation:
        assert animation.n_frames == 6


def test_save_alone_draws_nothing(trained):
    folder, _ = trained
    before = files(folder)
    output = show(trained, "--save", "alone.h5")
    assert files(folder) - before == {"alone.h5"}
    assert "Picture" not in output


def test_all_pictures(trained):
    folder, model = trained
    output = show(
        trained,
        *("train.pbtxt", "--cases", "4", "--examples", "2", "--steps", "9"),
        *("--features", "--format", "pdf", "--out", "a/b", "--save", "all.h5"),
    )
    stem = f"{model.split('/')[-1].removesuffix('.pbtxt')}_train"
    assert files(folder / "a") == {
        f"b/{stem}{name}"
        for name in (".pdf", ".gif", "_9_steps.pdf", "_9_steps.gif",
                     "_9_steps_units.pdf", "_features.pdf")
    }  # fmt: skip
    with Image.open(folder / "a" / "b" / f"{stem}_9_steps.gif") as animation:
        assert animation.n_frames == DEC + 9
    assert "4 videos" in output
    arrays, _ = read_h5(folder / "all.h5")
    assert len(arrays["input"]) == 4


def test_data_without_end(trained):
    output = show(trained, "train.pbtxt", "--csv", "e.csv")
    assert "videos without end, of which 100 are shown; --cases N" in output
    folder, _ = trained
    show(trained, "train.pbtxt", "--cases", "9", "--save", "nine.h5", "--seed", "7")
    show(trained, "train.pbtxt", "--cases", "5", "--save", "five.h5", "--seed", "7")
    show(trained, "train.pbtxt", "--cases", "5", "--save", "other.h5", "--seed", "8")
    nine, five, other = (
        read_h5(folder / f"{name}.h5")[0]["input"] for name in ("nine", "five", "other")
    )
    np.testing.assert_array_equal(nine[:5], five)
    assert not np.array_equal(five, other)


# ---- mistakes ------------------------------------------------------------------------


MISTAKES = {
    ("model.pbtxt",): "model.pbtxt: it has no timestamp, so nothing says where its",
    ("lost.pbtxt",): "none of its 1 timestamps has an .h5 file",
    ("valid.pbtxt",): "'dataset_type' belongs in the description of a data set",
    ("MODEL", "small.pbtxt"): "image_size is 12",
    ("MODEL", "valid.pbtxt", BOARD, "--cases", "8"): "at most the 7 videos",
    ("MODEL", "valid.pbtxt", "gpu"): "board 'gpu'",
    ("MODEL", "valid.pbtxt", BOARD, "--save", "no/p.h5"): "there is no folder",
    ("MODEL", "valid.pbtxt", BOARD, "--save", "valid.npy"): "should end in .h5",
    ("MODEL", "valid.pbtxt", BOARD, "--save", "WEIGHTS"): "is read and would be",
    ("MODEL", "valid.pbtxt", BOARD, "--csv", "MODEL"): "should end in .csv",
    ("MODEL", "valid.pbtxt", BOARD, "--out", "valid.npy/x"): "no folder can be made",
    ("no/model.pbtxt",): "no/model.pbtxt: there is no such file",
}


@pytest.mark.parametrize("args", MISTAKES)
def test_mistakes_end_in_one_sentence(args, trained):
    folder, model = trained
    lost = read_model(folder / model)
    lost.timestamp[:] = ["20010101000000"]
    write_text(lost, folder / "lost.pbtxt")
    small = (folder / "valid.pbtxt").read_text().replace("30", "12")
    (folder / "small.pbtxt").write_text(small)
    before = files(folder)
    named = {"MODEL": model, "WEIGHTS": str(Path(model).with_suffix(".h5"))}
    words = [named.get(word, word) for word in args]
    words += ["valid.pbtxt", BOARD][len(words) - 1 :]
    done = run_program(folder, "display_results.py", *words)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith("display_results: ")
    assert MISTAKES[args] in done.stderr
    assert files(folder) == before and not (folder / "no").exists()
