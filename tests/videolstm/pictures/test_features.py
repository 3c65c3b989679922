"""Weights as pictures: which units, in which order, which way round."""

import numpy as np

from tests.videolstm.helpers import describe, make
from videolstm.pictures.features import features_figure, largest, mosaic, panels


def test_largest():
    weights = np.zeros((2, 4, 3))
    weights[0, 1], weights[1, 1], weights[1, 3], weights[0, 0] = 1, -1, 1.2, 0.1
    assert largest(weights).tolist() == [1, 3, 0, 2]
    assert largest(weights, 2).tolist() == [1, 3]
    assert largest(weights[0]).tolist() == [1, 0, 2, 3]


def test_panels_are_the_weights_of_the_largest_units():
    model = make(describe(units=(4, 3), dims=6))
    bottom, top = model.encoder.layers[0], model.decoder.stack.top
    w = bottom.w_input.asarray()  # gates i f a o below each other
    gates = [w[k * 4 : k * 4 + 4] for k in range(4)]
    norms = sum((gate.astype(float) ** 2).sum(axis=1) for gate in gates)
    order = np.argsort(-norms)
    found = dict(panels(model))
    names = ("input gate", "forget gate", "cell input", "output gate")
    for name, gate in zip(names, gates, strict=True):
        panel = found.pop(f"lstm_1_enc: input weights, {name}")
        np.testing.assert_array_equal(panel, gate[order])
    w = top.w_output.asarray().T
    order = np.argsort(-(w.astype(float) ** 2).sum(axis=1))
    panel = found.pop("lstm_2_dec: output weights of the decoder")
    np.testing.assert_array_equal(panel, w[order])
    assert list(found) == ["lstm_2_fut: output weights of the predictor"]


def test_mosaic():
    # Twelve pictures of one level each: ten in the first row, two in the second.
    levels = np.arange(12)[:, None] / 12 * np.ones((1, 3 * 2 * 4))
    levels[5, :8] = 0.9  # the first of three colours
    whole = mosaic(levels, (3, 2, 4))
    assert whole.shape == (2 * 3 - 1, 10 * 5 - 1, 3)
    assert (whole[0:2, 5:9] == 1 / 12).all()
    assert (whole[3:5, 5:9] == 11 / 12).all()
    assert (whole[0:2, 25:29] == [0.9, 5 / 12, 5 / 12]).all()
    assert (whole[3:, 10:] == 1).all() and (whole[2] == 1).all()


def test_figures():
    for config, frames, count in (
        (describe(dims=12), (3, 2, 2), 6),
        (describe(dims=12, future=0), (1, 3, 4), 5),
        (describe(dims=12, dec=0), None, 5),
    ):
        model = make(config, num_frames=config.dec_seq_length or 6)
        figure = features_figure(model, frames, "title")
        titles = [axes.get_title() for axes in figure.axes]
        assert len([title for title in titles if title]) == count
