"""The future predictor run on, past the length that it was trained for.

The paper (section 4.2, "long predictions") let a predictor that was trained on 10
frames run for 100, and looked at the activity of its units meanwhile. Here the same
weights are unrolled over more steps; nothing is computed differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from videolstm.data import DataHandler, make_data_handler
from videolstm.errors import UserError
from videolstm.models.composite import LSTMCombo
from videolstm.models.lstm import LSTM
from videolstm.results.answers import Answer, answer
from videolstm.results.examples import read_clips

_UNITS = 200  # looked at, as in the paper


def check_future(model: LSTMCombo) -> None:
    """Raises UserError for a model without a future predictor."""
    if model.future is None:
        raise UserError(
            f"{model.path}: the field future_seq_length is 0, and it should be above "
            "0 for --steps, which runs the future predictor on"
        )


def unrolled(model: LSTMCombo, steps: int) -> LSTMCombo:
    """The same model, with the same weights, that predicts `steps` frames."""
    config = type(model.config)()
    config.CopyFrom(model.config)
    config.future_seq_length = steps
    longer = LSTMCombo(config, model.path, model.enc_seq_length + steps)
    for mine, theirs in zip(longer.params, model.params, strict=True):
        mine.w.assign(theirs.w)
    return longer


def known_frames(data: DataHandler, count: int, clips: Sequence[int]) -> np.ndarray:
    """The clips of an epoch that have these numbers with up to `count` frames, (frames,
    clips, dims): as many as the data have where they can be asked for longer clips of
    the same videos, else their num_frames."""
    first = read_clips(data, clips)
    config = type(data.config)()
    config.CopyFrom(data.config)
    config.num_frames = count
    try:
        longer = make_data_handler(config, data.path, data.seed)
    except UserError:  # the videos are not that long
        return first
    if data.endless:
        longer.dataset_size = data.dataset_size
    numbers = _in_their_videos(data, longer, clips)
    if numbers is None:
        return first
    frames = read_clips(longer, numbers)
    both = min(count, len(first))
    # Clips of other lengths may be cut from the videos at other places.
    same = frames.shape[1:] == first.shape[1:] and (frames[:both] == first[:both]).all()
    return frames if same else first


def _in_their_videos(
    data: DataHandler, longer: DataHandler, clips: Sequence[int]
) -> list[int] | None:
    """What the clips are numbered among longer ones, of which a video has fewer: they
    are as far into their videos as before. None where one of them is not there."""
    videos, others = data.videos_of_clips()[0], longer.videos_of_clips()[0]
    numbers = []
    for clip in clips:
        own = np.flatnonzero(others == videos[clip])
        place = clip - np.flatnonzero(videos == videos[clip])[0]
        if place >= len(own):
            return None
        numbers.append(int(own[place]))
    return numbers


def run_on(longer: LSTMCombo, frames: np.ndarray) -> Answer:
    """What an `unrolled` model makes of frames (known, n, dims), the past and as much
    of the future as is known; the rest of the answer's truth is NaN."""
    known = min(len(frames), longer.frames.steps)
    padded = np.zeros((longer.frames.steps, *frames.shape[1:]), np.float32)
    padded[:known] = frames[:known]
    made = answer(longer, padded)
    made.truth[known:] = np.nan
    return replace(made, losses={})


def activity_of(layer: LSTM, example: int) -> dict[str, np.ndarray]:
    """The gates, cell and output of a layer in one case of the last forward pass, each
    (steps, units). A step that only copied a state has no gates: NaN."""
    gates = layer.gates.asarray()[:, example].copy()
    gates[: layer.first] = np.nan
    i, f, a, o = np.split(gates, 4, axis=1)
    return {
        "input gate": i,
        "forget gate": f,
        "output gate": o,
        "cell input": a,
        "cell": layer.cell.asarray()[1:, example].copy(),
        "hidden state": layer.hidden.asarray()[1:, example].copy(),
    }


def chosen_units(count: int, seed: int) -> np.ndarray:
    """Up to 200 of `count` units, in their order."""
    units = np.random.RandomState(seed).permutation(count)[:_UNITS]
    return np.sort(units)
