"""Random numbers: the generator against its published vectors, the stream's promises,
and the distributions."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest

import cudamat as cm
from cudamat.library import HERE, lib
from cudamat.matrix import Buffer
from tests.cudamat.framed import Framed

# ----------------------------------------------------------------------- generator


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox 4x32-10 as Salmon et al. (2011) define it."""
    x0, x1, x2, x3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * x0, 2**32)
        high1, low1 = divmod(0xCD9E8D57 * x2, 2**32)
        x0, x1, x2, x3 = high1 ^ x1 ^ k0, low1, high0 ^ x3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return [x0, x1, x2, x3]


# kat_vectors of Random123, the authors' own library
PUBLISHED = [
    ([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ([2**32 - 1] * 4, [2**32 - 1] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), PUBLISHED)
def test_philox_written_out_plainly(counter, key, words):
    assert " ".join(f"{word:08x}" for word in philox(counter, key)) == words


def expected_words(seed: int, offset: int, blocks: int) -> np.ndarray:
    """The stream's words: block k has the counter k and the key seed, both 64 bits."""
    rows = []
    for block in range(offset, offset + blocks):
        block %= 2**64
        counter = [block % 2**32, block >> 32, 0, 0]
        rows.append(philox(counter, [seed % 2**32, seed >> 32]))
    return np.array(rows, np.uint32).reshape(-1)


def words(seed: int, offset: int, blocks: int) -> np.ndarray:
    """What the library makes."""
    buffer = Buffer(16 * blocks)
    lib.cm_philox_words(buffer.pointer, blocks, seed, offset)
    host = np.empty(4 * blocks, np.uint32)
    lib.cm_copy_out(host.ctypes.data, buffer.pointer, host.nbytes)
    return host


def test_first_published_vector():
    assert " ".join(f"{word:08x}" for word in words(0, 0, 1)) == PUBLISHED[0][2]


STREAMS = [
    (0, 0),
    (1, 0),
    (42, 7),
    (2**32 - 1, 2**32 - 2),
    (2**32, 2**32),
    (2**64 - 1, 5),
]


@pytest.mark.parametrize(("seed", "offset"), [*STREAMS, (3, 2**64 - 2)])
def test_words(seed, offset):
    assert (words(seed, offset, 5) == expected_words(seed, offset, 5)).all()


def test_words_of_many_blocks():
    """Enough of them for several threads."""
    rng = np.random.default_rng(0)
    got = words(123, 1000, 20_000).reshape(-1, 4)
    for block in rng.integers(0, 20_000, 50):
        assert (got[block] == expected_words(123, 1000 + int(block), 1)).all()


# ----------------------------------------------------------------------- numbers


def uniforms(seed: int, offset: int, count: int) -> np.ndarray:
    """(0, 1) in steps of 2^-23, as random.cu says."""
    made = expected_words(seed, offset, (count + 3) // 4)[:count].astype(np.float64)
    return (np.floor(made / 512) + 0.5) / 2**23


def normals(seed: int, offset: int, count: int) -> np.ndarray:
    """Box and Muller's transform of pairs of them."""
    first, second = uniforms(seed, offset, 4 * ((count + 3) // 4)).reshape(-1, 2).T
    radius, angle = np.sqrt(-2 * np.log(first)), 2 * np.pi * second
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return pairs.reshape(-1)[:count]


def start(seed: int, offset: int = 0) -> None:
    cm.CUDAMatrix.init_random(seed)
    cm.random_state.offset = offset


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (3, 4), (131, 5), (0, 3), (3, 0)])
@pytest.mark.parametrize(("seed", "offset"), STREAMS)
def test_numbers_follow_from_the_words(seed, offset, shape):
    count = shape[0] * shape[1]
    frame = Framed(np.zeros(shape))
    start(seed, offset)
    assert frame.matrix.fill_with_rand() is frame.matrix
    got = frame.values().reshape(-1, order="F")
    assert (got == uniforms(seed, offset, count)).all()  # exact in float too
    frame.check_marks()
    start(seed, offset)
    assert frame.matrix.fill_with_randn() is frame.matrix
    got = frame.values().reshape(-1, order="F")
    # one rounding to the real type; logarithm, sine and cosine are in double precision
    tolerance = max(np.finfo(cm.real_type()).eps, 1e-14)
    np.testing.assert_allclose(got, normals(seed, offset, count), tolerance, tolerance)
    frame.check_marks()
    start(seed, offset)
    assert frame.matrix.fill_with_dropout_mask(0.25) is frame.matrix
    got = frame.values().reshape(-1, order="F")
    kept = uniforms(seed, offset, count) >= 0.25
    assert (got == kept * np.float64(cm.real_type().type(1 / 0.75))).all()
    frame.check_marks()
    assert cm.random_state.offset == offset + (count + 3) // 4


def test_offsets_continue():
    """Eight numbers at once are two fills of four."""
    start(9)
    at_once = cm.empty((4, 2)).fill_with_rand().asarray()
    start(9)
    halves = [cm.empty((4, 1)).fill_with_rand().asarray() for _ in range(2)]
    assert (at_once == np.hstack(halves)).all()


# Of a matrix of `runs` times `whole` columns, `count` of each run from `first` on.
PARTS = [
    # rows, runs, whole, first, count
    (5, 3, 7, 0, 7),
    (5, 3, 7, 0, 3),
    (5, 3, 7, 3, 4),
    (1, 6, 5, 2, 1),
    (1, 6, 5, 4, 1),
    (131, 2, 6, 1, 2),
    (4, 1, 2, 1, 1),
    (0, 3, 4, 1, 2),
    (3, 0, 4, 1, 2),
]


@pytest.mark.parametrize(("rows", "runs", "whole", "first", "count"), PARTS)
@pytest.mark.parametrize(("seed", "offset"), STREAMS)
def test_parts_of_masks(seed, offset, rows, runs, whole, first, count):
    """Processes that have a part of each run draw what one would that has all."""
    drawn = uniforms(seed, offset, rows * runs * whole) >= 0.25
    kept = drawn.reshape(runs, whole, rows)[:, first : first + count]
    frame = Framed(np.zeros((rows, runs * count)))
    start(seed, offset)
    matrix = frame.matrix.fill_with_part_of_dropout_mask(0.25, first, count, whole)
    assert matrix is frame.matrix
    scale = np.float64(cm.real_type().type(1 / 0.75))
    wanted = scale * kept.reshape(runs * count, rows).T
    assert (frame.values() == wanted).all()
    frame.check_marks()
    assert cm.random_state.offset == offset + (rows * runs * whole + 3) // 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0.5, 0, 4, 3), "4 columns from 0 on were asked for, of 3"),
        ((0.5, -1, 2, 4), "2 columns from -1 on were asked for, of 4"),
        ((0.5, 3, 2, 4), "2 columns from 3 on were asked for, of 4"),
        ((0.5, 0, 0, 4), "0 columns from 0 on were asked for, of 4"),
        ((0.5, 0, 4, 8), "the target has 6 columns, which is no multiple of 4"),
        ((0.5, 0, 2, 2**41), "2 columns from 0 on were asked for, of 2199023255552"),
        (
            (1.0, 0, 2, 4),
            "the dropout probability is 1; it must be at least 0 and below 1",
        ),
    ],
)
def test_parts_that_there_are_not(arguments, said):
    start(1, 5)
    with pytest.raises(cm.CUDAMatException) as error:
        cm.zeros((2, 6)).fill_with_part_of_dropout_mask(*arguments)
    assert str(error.value) == f"dropout_mask_part: {said}"
    assert cm.random_state.offset == 5


def test_a_mask_of_a_transposed_view_has_no_parts():
    with pytest.raises(cm.CUDAMatException, match="target"):
        cm.zeros((2, 6)).T.fill_with_part_of_dropout_mask(0.5, 0, 1, 2)


def test_the_state_is_seed_and_offset():
    start(7)
    cm.empty((13, 5)).fill_with_randn()
    seed, offset = cm.random_state.seed, cm.random_state.offset
    wanted = cm.empty((50, 3)).fill_with_randn().asarray()
    start(1, 99)
    cm.random_state.seed, cm.random_state.offset = seed, offset
    assert (cm.empty((50, 3)).fill_with_randn().asarray() == wanted).all()


def test_seeds_differ():
    draws = []
    for seed in (0, 1, 2, 2**32, -1):
        start(seed)
        draws.append(cm.empty((100, 1)).fill_with_rand().asarray().tobytes())
    assert len(set(draws)) == 5
    start(2**64 - 1)  # seeds count modulo 2^64
    assert cm.empty((100, 1)).fill_with_rand().asarray().tobytes() == draws[4]


FILLS = {
    "rand": lambda m: m.fill_with_rand(),
    "randn": lambda m: m.fill_with_randn(),
    "mask": lambda m: m.fill_with_dropout_mask(0.3),
}


@pytest.mark.parametrize("name", FILLS)
def test_threads_do_not_change_the_stream(name):
    before, results = cm.threads(), set()
    for threads in (1, 2, 3):
        cm.set_threads(threads)
        start(11)
        results.add(FILLS[name](cm.empty((301, 303))).asarray().tobytes())
    cm.set_threads(before)
    assert len(results) == 1


OTHER_PRECISION = """
import cudamat as cm, sys
cm.CUDAMatrix.init_random(5)
draws = [cm.empty((9, 7)).fill_with_rand(), cm.empty((9, 7)).fill_with_randn()]
draws.append(cm.empty((9, 7)).fill_with_dropout_mask(0.4))
sys.stdout.write(repr([d.asarray().astype(float).ravel().tolist() for d in draws]))
"""


def test_float_and_double_draw_the_same_numbers():
    other = "double" if cm.real_type() == np.float32 else "float"
    name = f"libcudamat_{cm.load().kind}{'_double' if other == 'double' else ''}.so"
    if not (HERE / name).is_file():
        pytest.skip(f"{name} is not built")
    environment = os.environ | {"CUDAMAT_PRECISION": other}
    environment["CUDAMAT_LIBRARY"] = str(HERE / name)
    done = subprocess.run(
        [sys.executable, "-c", OTHER_PRECISION],
        cwd=HERE.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = np.array(json.loads(done.stdout))
    start(5)
    ours = [FILLS["rand"](cm.empty((9, 7))), FILLS["randn"](cm.empty((9, 7)))]
    ours.append(cm.empty((9, 7)).fill_with_dropout_mask(0.4))
    ours = np.array([m.asarray().ravel() for m in ours])
    # the float build's rounding
    np.testing.assert_allclose(ours, theirs, 2e-7, 2e-7)


# ----------------------------------------------------------------------- distributions

COUNT = 200_000
FIVE_SIGMA = 5 / math.sqrt(COUNT)  # a right generator fails once in two million


def draw(name: str) -> np.ndarray:
    start(2024)
    return FILLS[name](cm.empty((1000, COUNT // 1000))).asarray().astype(float).ravel()


def kolmogorov_smirnov(values, distribution) -> float:
    """The largest distance of the values' distribution function from the right one."""
    wanted = distribution(np.sort(values))
    steps = np.arange(len(values) + 1) / len(values)
    return max(np.abs(wanted - steps[:-1]).max(), np.abs(wanted - steps[1:]).max())


def normal_distribution(x):
    return np.array([0.5 * (1 + math.erf(value / math.sqrt(2))) for value in x])


# the distance that a right generator exceeds once in 10^5: sqrt(ln(2 / 1e-5) / 2)
DISTANCE = 2.47 / math.sqrt(COUNT)


def test_uniform_numbers():
    values = draw("rand")
    assert values.min() > 0 and values.max() < 1
    assert abs(values.mean() - 0.5) < FIVE_SIGMA * math.sqrt(1 / 12)
    assert abs(values.var() - 1 / 12) < FIVE_SIGMA * math.sqrt(1 / 180)
    assert kolmogorov_smirnov(values, lambda x: x) < DISTANCE


def test_extreme_words_stay_inside_of_zero_and_one():
    """The formula's ends, in the real type."""
    real = cm.real_type().type
    for word in (0, 2**32 - 1):
        assert 0 < real(((word >> 9) + 0.5) / 2**23) < 1


def test_normal_numbers():
    values = draw("randn")
    assert np.isfinite(values).all()
    assert abs(values.mean()) < FIVE_SIGMA
    assert abs(values.var() - 1) < FIVE_SIGMA * math.sqrt(2)
    assert abs((values**3).mean()) < FIVE_SIGMA * math.sqrt(15)
    assert abs((values**4).mean() - 3) < FIVE_SIGMA * math.sqrt(96)
    assert kolmogorov_smirnov(values, normal_distribution) < DISTANCE


@pytest.mark.parametrize("name", ["rand", "randn"])
def test_neighbours_are_not_correlated(name):
    values = draw(name)
    values = (values - values.mean()) / values.std()
    for distance in (1, 2, 3, 4, 1000):
        correlation = (values[distance:] * values[:-distance]).mean()
        assert abs(correlation) < 1.01 * FIVE_SIGMA


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_dropout_rate(p):
    start(3)
    mask = cm.empty((1000, COUNT // 1000)).fill_with_dropout_mask(p).asarray()
    assert set(np.unique(mask)) <= {0, cm.real_type().type(1 / (1 - p))}
    assert abs((mask == 0).mean() - p) <= FIVE_SIGMA * math.sqrt(p * (1 - p))


@pytest.mark.parametrize("p", [-0.1, 1.0, 2.0, math.nan])
def test_dropout_probability_out_of_range(p):
    with pytest.raises(cm.CUDAMatException) as error:
        cm.zeros((2, 2)).fill_with_dropout_mask(p)
    assert str(error.value) == (
        f"dropout_mask: the dropout probability is {p:g}; it must be at least 0 and "
        "below 1"
    )
