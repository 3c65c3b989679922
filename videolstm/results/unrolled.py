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


def clips_that_go_on(data: DataHandler, count: int) -> np.ndarray:
    """Numbers of the clips of an epoch of which `count` frames are known, as those at
    the end of a video are not; all where that is so of none."""
    clips = np.arange(data.dataset_size)
    longer = _longer(data, count)
    if longer is None:
        return clips
    known = [k for k, there in enumerate(_in_their_videos(data, longer)) if there >= 0]
    return np.array(known) if known else clips


def known_frames(data: DataHandler, count: int, clips: Sequence[int]) -> np.ndarray:
    """The clips of an epoch that have these numbers with up to `count` frames, (frames,
    clips, dims): as many as the data have where they can be asked for longer clips of
    the same videos, else their num_frames."""
    first = read_clips(data, clips)
    longer = _longer(data, count)
    if longer is None:
        return first
    numbers = _in_their_videos(data, longer)[np.asarray(clips)]
    if numbers.min() < 0:
        return first
    frames = read_clips(longer, numbers)
    both = min(count, len(first))
    # Clips of other lengths may be cut from the videos at other places.
    same = frames.shape[1:] == first.shape[1:] and (frames[:both] == first[:both]).all()
    return frames if same else first


def _longer(data: DataHandler, count: int) -> DataHandler | None:
    """The same data in clips of `count` frames; None where they are not that long."""
    config = type(data.config)()
    config.CopyFrom(data.config)
    config.num_frames = count
    try:
        longer = make_data_handler(config, data.path, data.seed)
    except UserError:
        return None
    if data.endless:
        longer.dataset_size = data.dataset_size
    return longer


def _in_their_videos(data: DataHandler, longer: DataHandler) -> np.ndarray:
    """What each clip is numbered among longer ones, of which a video has fewer: it is
    as far into its video as before. -1 where it is not there."""
    own, clips = np.unique(longer.videos_of_clips()[0], return_index=True)
    ends = np.append(clips[1:], longer.dataset_size)
    where = {v: range(*span) for v, *span in zip(own, clips, ends, strict=True)}
    numbers = np.full(data.dataset_size, -1)
    place, before = 0, None
    for clip, video in enumerate(data.videos_of_clips()[0]):
        place = place + 1 if video == before else 0
        before = video
        if place < len(there := where.get(video, ())):
            numbers[clip] = there[place]
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
