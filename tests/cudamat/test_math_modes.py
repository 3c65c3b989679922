"""Products whose operands have fewer bits: how numbers are rounded, and what is made of
whole matrices.

The CPU library rounds as documented, and is compared to the bit; cuBLAS is only allowed
to round, and may cut bits off, so that on a CUDA board bounds are compared. The double
library refuses, and has nothing else to show here.
"""

import threading

import numpy as np
import pytest

import cudamat as cm
from cudamat.sparse import NonZeros, Order
from tests.cudamat.framed import Framed, assert_close, rounded

FLOAT = cm.real_type() == np.float32
ON_CPU = cm.load().kind == "cpu"
in_float = pytest.mark.skipif(not FLOAT, reason="the double library has fp32 only")

# significant bits, of which the first is not stored
SIGNIFICANT = {"tf32": 11, "bf16": 8}


@pytest.fixture(autouse=True)
def as_before():
    """Whatever a test chooses, the next one starts with fp32."""
    yield
    cm.set_math_mode("fp32")


# ----------------------------------------------------------------------- in numpy


def quantum(x: np.ndarray, bits: int) -> np.ndarray:
    """The distance of numbers with so many significant bits around x, float64; the same
    for all below 2^-126, as float32 has it."""
    _, exponent = np.frexp(x)
    return np.ldexp(1.0, np.maximum(exponent, -125) - bits)


def nearest(x: np.ndarray, bits: int) -> np.ndarray:
    """x rounded to so many significant bits, to nearest and, of two, to the even one;
    not by its bits but by float64 arithmetic, which is exact here."""
    with np.errstate(invalid="ignore"):  # NaN that signals
        x = np.asarray(x, np.float64)
    step = quantum(np.where(np.isfinite(x), x, 0), bits)
    with np.errstate(invalid="ignore"):
        found = np.rint(x / step) * step
    return np.where(np.abs(found) >= 2.0**128, np.copysign(np.inf, x), found)


def parts(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The big and the small TF32 part of x; where x would round to infinity big is the
    largest TF32, and where both would add up to that small is a unit less."""
    big = nearest(x, 11)
    largest = 2.0**128 - 2.0**117
    big = np.where(np.isinf(big) & np.isfinite(x), np.copysign(largest, x), big)
    with np.errstate(invalid="ignore"):
        small = nearest(x - big, 11)
    beyond = np.isfinite(x) & (np.abs(big + small) >= 2.0**128)
    return big, np.where(beyond, np.copysign(2.0**117 - 2.0**106, x), small)


def patterns() -> np.ndarray:
    """float32 (n, 1): every upper half of the bits, each with lower halves around the
    ties of both formats. Zeros, subnormals, infinities and NaN are among them."""
    low = [0, 1, 0x0FFF, 0x1000, 0x1001, 0x2FFF, 0x3000, 0x3001, 0x7FFF, 0x8000]
    low += [0x8001, 0xFFFF]
    bits = np.arange(1 << 16, dtype=np.uint32)[:, None] << 16
    return (bits | np.array(low, np.uint32)).reshape(-1, 1).view(np.float32)


# ----------------------------------------------------------------------- numbers


def test_numpy_s_own_rounding():
    """Guards the reference: numbers whose roundings are known."""
    one, u = 1.0, 2.0**-11
    given = [one + u, one + 3 * u, one + u + 2**-30, -one - u, 2.0**-149, 2.0**-136]
    want = [one, one + 4 * u, one + 2 * u, -one, 0, 2.0**-136]
    assert nearest(given, 11).tolist() == want
    assert nearest(np.float32([3.4e38, 3.3e38]), 8)[0] == np.inf
    assert nearest([2.0**-133 * 1.5, 2.0**-133 * 2.5], 8).tolist() == [
        2.0**-132,
        2.0**-132,
    ]


def times_one(x: np.ndarray, side: str) -> np.ndarray:
    """x (n, 1), as the left or the right operand of a product with 1."""
    one = cm.CUDAMatrix([[1.0]])
    if side == "left":
        return cm.dot(cm.CUDAMatrix(x), one).asarray().copy()
    return cm.dot(one, cm.CUDAMatrix(x.T)).asarray().T.copy()


@in_float
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("mode", SIGNIFICANT)
def test_numbers_are_rounded(mode, side):
    x = patterns()
    cm.set_math_mode(mode)
    got = times_one(x, side).astype(np.float64)
    if ON_CPU:
        np.testing.assert_array_equal(got, nearest(x, SIGNIFICANT[mode]))
        return
    # cut off or rounded; what would become infinite may be the largest number
    inner = np.isfinite(x) & (np.abs(x) < 3.3e38)
    wide = x.astype(np.float64)
    assert (np.abs(got - wide) < quantum(wide, SIGNIFICANT[mode]))[inner].all()
    assert np.isnan(got[np.isnan(x)]).all()


@in_float
@pytest.mark.parametrize("side", ["left", "right"])
def test_numbers_are_split_in_two(side):
    """On both libraries: the split is ours, and its parts need no more rounding."""
    x = patterns()
    big, small = parts(x)
    cm.set_math_mode("3xtf32")
    got = times_one(x, side).astype(np.float64)
    finite = np.isfinite(x)
    with np.errstate(invalid="ignore"):
        want = (big + small).astype(np.float32).astype(np.float64)
    np.testing.assert_array_equal(got[finite], want[finite])
    # an infinity meets the small part of 1, which is 0
    assert np.isnan(got[~finite]).all()
    # what is lost: half a unit of the small part, and the rounding of the sum
    exact = x[finite].astype(np.float64)
    allowed = np.maximum(2.0**-22 * np.abs(exact), 2.0**-136)
    assert (np.abs(got[finite] - exact) <= allowed).all()


# ----------------------------------------------------------------------- products


def random(*shape, seed=0):
    return rounded(np.random.default_rng(seed).standard_normal(shape))


def operands(mode: str, a, b) -> tuple[np.ndarray, np.ndarray]:
    """What a product in this mode is made of, float64."""
    bits = SIGNIFICANT.get(mode)
    if bits is None or not ON_CPU:
        return a, b
    return nearest(a, bits), nearest(b, bits)


def allowed_ulps(mode: str) -> float:
    """Of the sum of absolute products, in units of float32's epsilon 2^-23: 16 for sums
    in float32; for 3xtf32 the 2^-21 that each product loses; for what cuBLAS rounds,
    both operands cut off."""
    lost = 4 if mode == "3xtf32" else 0
    if mode in SIGNIFICANT and not ON_CPU:
        lost = 2 * 2.0 ** (23 - SIGNIFICANT[mode] + 1)
    return 16 + lost


SHAPES = [(1, 1, 1), (3, 5, 2), (33, 17, 70), (301, 517, 260)]


@in_float
@pytest.mark.parametrize("transposed", [(0, 0), (1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("mode", cm.MATH_MODES)
def test_products(mode, shape, transposed):
    """Of views in larger matrices, added to a target that may be transposed."""
    m, n, k = shape
    a, b, c = random(m, k), random(k, n, seed=1), random(m, n, seed=2)
    left, right = Framed(a, transposed[0]), Framed(b, transposed[1])
    target = Framed(c, transposed[0] != transposed[1])
    cm.set_math_mode(mode)
    cm.dot(left.matrix, right.matrix, target.matrix, beta=0.5, alpha=-2.0)
    first, second = operands(mode, a, b)
    scale = 2 * np.abs(a) @ np.abs(b) + np.abs(c)
    want = 0.5 * c - 2 * first @ second
    assert_close(target.values(), want, allowed_ulps(mode), scale)
    target.check_marks()
    left.check_untouched()
    right.check_untouched()


@in_float
@pytest.mark.parametrize("mode", cm.MATH_MODES)
def test_beta_zero_does_not_read_the_target(mode):
    target = cm.CUDAMatrix(np.full((3, 4), np.nan))
    a, b = random(3, 2), random(2, 4)
    cm.set_math_mode(mode)
    cm.dot(cm.CUDAMatrix(a), cm.CUDAMatrix(b), target)
    assert np.isfinite(target.asarray()).all()
    for shape in ((0, 3), (3, 0)):
        assert cm.dot(cm.empty(shape), cm.empty(shape[::-1])).allfinite()


@in_float
def test_fp32_is_what_it_was():
    """To the bit, before and after the others."""
    a, b = cm.CUDAMatrix(random(70, 90)), cm.CUDAMatrix(random(90, 50, seed=1))
    before = cm.dot(a, b).asarray().tobytes()
    others = set()
    for mode in ("3xtf32", "tf32", "bf16"):
        cm.set_math_mode(mode)
        others.add(cm.dot(a, b).asarray().tobytes())
    cm.set_math_mode("fp32")
    assert cm.dot(a, b).asarray().tobytes() == before
    if ON_CPU:  # boards before 8.0 have no other products
        assert len(others) == 3 and before not in others


@in_float
@pytest.mark.parametrize("mode", cm.MATH_MODES)
def test_the_same_bytes_each_time(mode):
    a, b = cm.CUDAMatrix(random(90, 70)), cm.CUDAMatrix(random(90, 120, seed=1))
    cm.set_math_mode(mode)
    assert len({cm.dot(a.T, b).asarray().tobytes() for _ in range(3)}) == 1


@in_float
def test_threads_take_turns():
    """Rounded operands lie in the same memory."""
    values = [(random(40 + 30 * i, 50, seed=i), random(50, 60, seed=9)) for i in (1, 2)]
    pairs = [tuple(map(cm.CUDAMatrix, pair)) for pair in values]
    cm.set_math_mode("3xtf32")
    want = [cm.dot(*pair).asarray().tobytes() for pair in pairs]
    targets = [cm.empty((pair[0].shape[0], 60)) for pair in pairs]

    def work(i):
        for _ in range(200):
            cm.dot(*pairs[i], targets[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [target.asarray().tobytes() for target in targets] == want


# ----------------------------------------------------------------------- choosing


def test_what_is_chosen():
    assert cm.math_mode() == "fp32"
    for mode in cm.MATH_MODES if FLOAT else ("fp32",):
        cm.set_math_mode(mode)
        assert cm.math_mode() == mode


@pytest.mark.parametrize("name", ["fp16", "TF32", "", None, 1, ["tf32"], np.zeros(2)])
def test_names_of_nothing(name):
    with pytest.raises(cm.CUDAMatException) as error:
        cm.set_math_mode(name)
    assert str(error.value) == (
        f"set_math_mode: {name!r} is no kind of products; there are fp32, 3xtf32, tf32 "
        "and bf16"
    )
    assert cm.math_mode() == "fp32"


@pytest.mark.parametrize("number", [-1, 4, 2**31 - 1])
def test_numbers_of_nothing(number):
    with pytest.raises(cm.CUDAMatException, match=f"no kind {number} of products"):
        cm.library.lib.cm_set_math_mode(number)


@pytest.mark.skipif(FLOAT, reason="the float library has them all")
@pytest.mark.parametrize("mode", cm.MATH_MODES[1:])
def test_double_refuses(mode):
    with pytest.raises(cm.CUDAMatException) as error:
        cm.set_math_mode(mode)
    assert str(error.value) == (
        "set_math_mode: products with fewer bits are for single precision, and this "
        "library computes in double; fp32 leaves them as they are"
    )
    assert cm.math_mode() == "fp32"


@in_float
@pytest.mark.skipif(not ON_CPU, reason="a CUDA board has no sparse product")
def test_listed_frames_are_for_fp32():
    """Lists that were made before are refused, and new ones are not worthwhile."""
    nonzeros, order = NonZeros(5, 20), Order(0, 1, 2)
    assert nonzeros.fill(cm.zeros((5, 20)))
    cm.set_math_mode("tf32")
    assert not cm.sparse.is_worthwhile()
    message = "sparse_product: products with listed frames are in fp32 only"
    with pytest.raises(cm.CUDAMatException, match=message):
        nonzeros.product(cm.zeros((3, 5)), order, 10, cm.zeros((3, 20)))
    with pytest.raises(cm.CUDAMatException, match="fp32 only; the dense product is"):
        nonzeros.gradient(cm.zeros((3, 20)), order, 10, cm.zeros((3, 5)))
    cm.set_math_mode("fp32")
    assert cm.sparse.is_worthwhile()
    nonzeros.product(cm.zeros((3, 5)), order, 10, cm.zeros((3, 20)))
