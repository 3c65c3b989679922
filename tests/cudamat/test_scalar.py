"""Accuracy of the scalar functions over their whole range, in units in the last place.

The float versions are our own (cudamat/src/scalar.h) and are held to what it says;
the double ones are the C library's, compared here with numpy's.
"""

import numpy as np
import pytest

import cudamat as cm

LARGEST = 88.72  # exp of it is just below the largest float
SMALLEST = -87.33  # exp of it is just above the smallest normal float


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


# function, numpy's, range of arguments, ulps allowed in float
ACCURACY = {
    "exp": (cm.exp, np.exp, SMALLEST, LARGEST, 2),
    "sigmoid": (cm.sigmoid, sigmoid, SMALLEST, 120, 3),
    "tanh": (cm.tanh, np.tanh, -20, 20, 2),
    "log_1_plus_exp": (cm.log_1_plus_exp, softplus, SMALLEST, 120, 3),
}

# Neither the C library nor numpy rounds every double correctly; a composition of two
# such functions adds the division's rounding.
ULPS_IN_DOUBLE = 4


def arguments(low, high) -> np.ndarray:
    """Evenly spread ones, and small ones of every magnitude."""
    rng = np.random.default_rng(1)
    small = 10.0 ** rng.uniform(-37, 0, 50_000) * rng.choice([-1, 1], 50_000)
    every = np.concatenate([rng.uniform(low, high, 150_000), small, [0.0, low, high]])
    values = every.astype(np.float32).astype(np.float64)  # exact in both precisions
    return values[(values >= low) & (values <= high)]


def apply(function, values) -> np.ndarray:
    """The library's results, float64."""
    matrix = cm.CUDAMatrix(np.asarray(values, np.float64).reshape(1, -1))
    return function(matrix).asarray().astype(np.float64)[0]


@pytest.mark.parametrize("name", ACCURACY)
def test_error_in_units_in_the_last_place(name):
    function, reference, low, high, ulps = ACCURACY[name]
    x = arguments(low, high)
    got, want = apply(function, x), reference(x)
    real = cm.real_type().type
    unit = np.spacing(np.abs(want).astype(real)).astype(np.float64)
    normal = np.abs(want) >= np.finfo(real).tiny
    error = np.abs(got - want)[normal] / unit[normal]
    worst = error.argmax()
    allowed = ulps if real is np.float32 else ULPS_IN_DOUBLE
    assert error[worst] <= allowed, f"{error[worst]:.2f} ulp at {x[normal][worst]!r}"


@pytest.mark.parametrize("name", ACCURACY)
def test_below_the_normal_range(name):
    """Where results are subnormal they are off by less than the smallest normal one."""
    function, reference, *_ = ACCURACY[name]
    x = np.linspace(-110, SMALLEST, 10_001)
    got, want = (
        apply(function, x),
        reference(x.astype(cm.real_type()).astype(np.float64)),
    )
    assert np.abs(got - want).max() < np.finfo(np.float32).tiny


def test_exp_overflows_where_the_real_type_does():
    largest = np.log(np.finfo(cm.real_type()).max)
    real = cm.real_type().type
    below = np.nextafter(real(largest), real(0))
    above = np.nextafter(np.nextafter(real(largest), real(1e4)), real(1e4))
    got = apply(cm.exp, [below, above, 1e4, np.inf])
    assert np.isfinite(got[0])
    assert np.isposinf(got[1:]).all()


def test_exp_vanishes():
    assert apply(cm.exp, [-1e4, -np.inf, -800]).tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ACCURACY)
def test_nan_stays_nan(name):
    function, reference, *_ = ACCURACY[name]
    values = np.full(37, 0.5)  # so that the vector code and what follows it meet a NaN
    values[[0, 5, 16, 36]] = np.nan
    assert (np.isnan(apply(function, values)) == np.isnan(reference(values))).all()


def test_saturation():
    assert apply(cm.sigmoid, [-np.inf, -1e4, 0, 1e4, np.inf]).tolist() == [
        0,
        0,
        0.5,
        1,
        1,
    ]
    assert apply(cm.tanh, [-np.inf, -1e4, 0, 1e4, np.inf]).tolist() == [-1, -1, 0, 1, 1]
    assert apply(cm.log_1_plus_exp, [-np.inf, -1e4, 1e4]).tolist() == [0, 0, 1e4]


def test_functions_are_monotonous_where_their_pieces_meet():
    """tanh changes its formula at 0.625."""
    x = np.linspace(0.6249, 0.6251, 2001).astype(np.float32)
    steps = np.diff(apply(cm.tanh, x))
    assert steps.min() >= -2 * np.spacing(np.float32(0.55))


# ----------------------------------------------------------------------- gamma

EULER, ZETA = (
    0.5772156649015329,
    (1.6449340668482264, 1.2020569031595942, 1.08232323371),
)


def lgamma_near_1(e):
    """log gamma(1 + e) by its series, to 4e-9 of e for |e| <= 0.01."""
    terms = [(-1) ** k * ZETA[k - 2] / k * e**k for k in (2, 3, 4)]
    return -EULER * e + sum(terms)


def test_lgamma_near_its_zeros():
    """At 1 and 2 it vanishes; digits are left all the same."""
    e = (np.array([-0.01, -1e-3, -1e-4, 1e-4, 1e-3, 0.01])).astype(np.float32)
    for place, extra in ((1.0, lambda e: 0), (2.0, np.log1p)):
        x = (place + e.astype(np.float64)).astype(np.float32).astype(np.float64)
        exact = x - place
        want = lgamma_near_1(exact) + extra(exact)
        tolerance = 1e-6 if cm.real_type() == np.float32 else 1e-8
        np.testing.assert_allclose(apply(cm.lgamma, x), want, tolerance)


def test_known_values_of_gamma():
    x = [0.5, 1, 2, 3, 5, 11, -0.5, -1.5]
    root = np.sqrt(np.pi)
    want = [root, 1, 1, 2, 24, 3628800, -2 * root, 4 / 3 * root]
    tolerance = 1e-6 if cm.real_type() == np.float32 else 1e-14
    np.testing.assert_allclose(apply(cm.gamma, x), want, tolerance)
    logarithms = apply(cm.lgamma, [0.5, 3, 11, -0.5, 1e4, 1e30])
    want = [np.log(root), np.log(2), np.log(3628800), np.log(2 * root)]
    want += [82099.71749644238, 1e30 * (np.log(1e30) - 1)]
    np.testing.assert_allclose(logarithms, want, tolerance)
    poles = apply(cm.lgamma, [0, -1, -2, np.inf, -np.inf])
    assert np.isposinf(poles).all()
    assert np.isnan(apply(cm.gamma, [-1, -2, np.nan])).all()


def test_powers():
    """Whole powers of negative numbers have their sign; others are NaN."""
    m = cm.CUDAMatrix([[-2.0, -2.0, -2.0, -2.0, 0.0, 3.0]])
    p = cm.CUDAMatrix([[3.0, 2.0, -1.0, 0.5, 0.0, -2.0]])
    got = cm.pow(m, p, cm.empty((1, 6))).asarray()[0]
    np.testing.assert_allclose(got, [-8, 4, -0.5, np.nan, 1, 1 / 9], 1e-6)
    np.testing.assert_array_equal(cm.pow(m, 3).asarray()[0], [-8, -8, -8, -8, 0, 27])
