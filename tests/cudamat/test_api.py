"""The names, arguments and manners of cudamat 0.3, which scripts rely on, and those of
the video code's own version of it."""

import inspect
import warnings

import numpy as np
import pytest

import cudamat as cm

# ----------------------------------------------------------------------- signatures

MODULE = """
init(max_ones=262144)
cublas_init(max_ones=262144)
shutdown()
cublas_shutdown()
cuda_set_device(dev_id)
cuda_sync_threads()
empty(shape)
dot(m1, m2, target=None, beta=0.0, alpha=1.0)
vdot(m1, m2)
sum(mat, axis, target=None, mult=1.0)
mean(mat, axis, target=None)
sigmoid(mat, target=None)
tanh(mat, target=None)
abs(mat, target=None)
log_1_plus_exp(mat, target=None)
log(mat, target=None)
exp(mat, target=None)
gamma(mat, target=None)
lgamma(mat, target=None)
sqrt(mat, target=None)
soft_threshold(mat, alpha, target=None)
pow(mat, p, target=None)
where(condition_mat, if_mat, else_mat, target=None)
correlate(mat, kernel, target=None)
reformat(array, copy=True)
mult_by_sigmoid_deriv(target, acts)
CUDAMatrix(array, copy_to_device=True, copy_on_host=True)
empty_like(m)
sin(mat, target=None)
cos(mat, target=None)
floor(mat, target=None)
ceil(mat, target=None)
cross_entropy(mat, p, target=None, tiny=1e-10)
cross_entropy_bernoulli(mat, p, target=None, tiny=1e-10)
"""

METHODS = """
copy(include_host=False)
copy_to_device()
copy_to_host()
asarray()
assign(val)
free_device_memory()
set_trans(is_trans)
reshape(shape)
slice(first_col, last_col, include_host=False)
get_col_slice(first_col, last_col, target=None)
set_col_slice(first_col, last_col, mat)
get_row_slice(start, end, target=None)
set_row_slice(start, end, mat)
transpose(target=None)
init_random(seed=0)
fill_with_rand()
fill_with_randn()
add_col_vec(vec, target=None)
add_col_mult(vec, mult, target=None)
add_row_vec(vec, target=None)
mult_by_col(vec, target=None)
mult_by_row(vec, target=None)
div_by_col(vec, target=None)
div_by_row(vec, target=None)
sum(axis, target=None, mult=1.0)
mean(axis, target=None)
add_sums(mat, axis, mult=1.0, beta=1.0)
less_than(val, target=None)
greater_than(val, target=None)
equals(val, target=None)
minimum(val, target=None)
maximum(val, target=None)
add(val, target=None)
subtract(val, target=None)
divide(val, target=None)
mult(val, target=None)
min(axis, target=None)
max(axis, target=None)
argmin(axis, target=None)
argmax(axis, target=None)
sign(target=None)
apply_sigmoid(target=None)
apply_tanh(target=None)
reciprocal(target=None)
apply_soft_threshold(alpha, target=None)
dot(mat2, target=None)
add_dot(m1, m2, mult=1.0, beta=1.0)
subtract_dot(m1, m2, mult=1.0, beta=1.0)
add_mult(mat2, alpha=1.0)
subtract_mult(mat2, alpha=1.0)
assign_scalar(value)
mult_by_scalar(value, target=None)
div_by_scalar(value, target=None)
add_scalar(value, target=None)
euclid_norm()
manhattan_norm()
allfinite()
select_columns(indices, target)
set_selected_columns(indices, source)
col_slice(first_col, last_col)
overwrite(array, copy_to_device=True)
write_value(row, col, val)
read_value(row, col)
add_row_mult(vec, mult, target=None)
upper_bound(val, target=None)
lower_bound(val, target=None)
upper_bound_mod(val, target=None)
sample_bernoulli(target=None)
dropout(dropprob, val=0.0)
apply_softmax(target=None)
apply_softmax_row_major(num_slices=None)
apply_softmax_grad(labels, target=None)
apply_softmax_grad_row_major(labels, target=None)
get_softmax_correct(labels, target)
get_softmax_correct_row_major(labels, target)
get_softmax_cross_entropy(labels, target, tiny=1e-10)
cross_entropy(p, target=None, tiny=1e-10)
cross_entropy_bernoulli(p, target=None, tiny=1e-10)
apply_logistic_deriv(val, target=None)
apply_tanh_deriv(val, target=None)
apply_rectified_linear_deriv(val, target=None)
apply_relu_squash(lambdaa=2.0, target=None)
sqsum(axis, target=None, mult=1.0)
"""

FIRST = {"self", "mat"}  # of a method


def check_signature(line: str, function, is_method: bool) -> None:
    """Positional parameters as written, with the defaults as written; ours may have a
    default where there is none, and further parameters after them."""
    wanted = list(inspect.signature(eval(f"lambda {line}: 0")).parameters.values())
    found = list(inspect.signature(function).parameters.values())
    if is_method and found and found[0].name in FIRST:
        found = found[1:]
    assert [p.name for p in found[: len(wanted)]] == [p.name for p in wanted]
    for ours, theirs in zip(found, wanted, strict=False):
        assert ours.kind is ours.POSITIONAL_OR_KEYWORD
        assert theirs.default is theirs.empty or ours.default == theirs.default
    assert all(p.default is not p.empty for p in found[len(wanted) :])


def lines(text: str) -> list:
    rows = [line.rstrip(")").split("(") for line in text.split("\n") if line]
    return [pytest.param(*row, id=row[0]) for row in rows]


@pytest.mark.parametrize(("name", "arguments"), lines(MODULE))
def test_functions_of_the_module(name, arguments):
    check_signature(arguments, getattr(cm, name), False)
    assert name in cm.__all__


@pytest.mark.parametrize(("name", "arguments"), lines(METHODS))
def test_methods(name, arguments):
    method = getattr(cm.CUDAMatrix, name)
    check_signature(arguments, method, True)
    assert method.__name__ == name
    assert method.__doc__


def test_everything_has_a_docstring():
    for name in cm.__all__:
        thing = getattr(cm, name)
        assert not callable(thing) or thing.__doc__, name


# ----------------------------------------------------------------------- as in 0.3


def test_the_module_in_the_package():
    """0.3 was a module in a package of the same name."""
    from cudamat import cudamat as inner

    assert inner.CUDAMatrix is cm.CUDAMatrix and inner.dot is cm.dot
    assert cm.learn.mult_by_sigmoid_deriv is cm.mult_by_sigmoid_deriv


def test_everything_works_before_init_and_after_shutdown():
    for between in (lambda: None, cm.init, cm.cublas_init, cm.cublas_shutdown):
        between()
        a = cm.CUDAMatrix([[1.0, 2.0], [3.0, 4.0]])
        assert cm.dot(a, a).sum(0).asarray().tolist() == [[22.0, 32.0]]
    cm.shutdown()


def test_ones():
    assert cm.CUDAMatrix.ones == 0
    cm.cublas_init(max_ones=10)
    assert cm.CUDAMatrix.ones.shape == (10, 1)
    assert cm.CUDAMatrix.ones.total() == 10
    cm.init()
    assert cm.CUDAMatrix.ones.shape == (cm.MAX_ONES, 1)
    cm.cublas_shutdown()
    assert cm.CUDAMatrix.ones == 0


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [
        ("add_scalar", "add", 3.5),
        ("mult_by_scalar", "mult", 3.0),
        ("div_by_scalar", "divide", 2 / 1.5),
        ("assign_scalar", "assign", 1.5),
    ],
)
def test_old_names(old, new, want):
    m = cm.CUDAMatrix([[2.0]])
    with pytest.warns(
        DeprecationWarning, match=f"^{old} is deprecated; use {new}$"
    ) as w:
        assert getattr(m, old)(1.5) is m
    assert w[0].filename == __file__
    assert m.total() == pytest.approx(want, rel=1e-6)  # float's rounding
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        getattr(m, new)(1.5)


def test_old_names_take_a_target():
    m, target = cm.CUDAMatrix([[2.0]]), cm.empty((1, 1))
    with pytest.warns(DeprecationWarning):
        assert m.mult_by_scalar(4.0, target=target) is target
    assert (m.total(), target.total()) == (2.0, 8.0)


@pytest.mark.parametrize("name", ["add", "subtract", "mult", "divide", "assign"])
@pytest.mark.parametrize("value", ["1", [1.0], None, np.ones((2, 2))], ids=type)
def test_a_value_of_a_wrong_type_is_a_value_error(name, value):
    """0.3 raises ValueError."""
    with pytest.raises(ValueError, match="must be a CUDAMatrix or a number") as error:
        getattr(cm.zeros((2, 2)), name)(value)
    assert isinstance(error.value, cm.CUDAMatException)


def test_results_chain():
    m = cm.CUDAMatrix([[1.0, -2.0]])
    assert m.add(1).mult(2).subtract(m.copy()).assign(4.0).apply_sigmoid() is m
    assert m.add_col_vec(cm.zeros((1, 1))).divide(2).set_row_slice(0, 1, m.copy()) is m
    m.set_col_slice(0, 1, cm.zeros((1, 1))).add_dot(cm.zeros((1, 3)), cm.zeros((3, 2)))
    assert m.reshape((2, 1)).add_sums(cm.zeros((2, 5)), axis=1) is m


def test_sign_is_the_one_that_does_not_work_in_place():
    m = cm.CUDAMatrix([[3.0, -0.5, 0.0]])
    assert m.sign().asarray().tolist() == [[1, -1, 0]]
    assert m.asarray().tolist() == [[3, -0.5, 0]]


def test_allfinite():
    host = np.ones((300, 70))
    assert cm.CUDAMatrix(host).allfinite() is True
    assert cm.empty((0, 3)).allfinite()
    for wrong in (np.nan, np.inf, -np.inf):
        host[299, 69] = wrong
        assert cm.CUDAMatrix(host).allfinite() is False
        assert not cm.CUDAMatrix(host).slice(60, 70).T.allfinite()


def test_mult_by_sigmoid_deriv():
    rng = np.random.default_rng(0)
    deriv, acts = rng.standard_normal((5, 7)), rng.uniform(0, 1, (5, 7))
    target = cm.CUDAMatrix(deriv)
    cm.learn.mult_by_sigmoid_deriv(target, cm.CUDAMatrix(acts))
    # three roundings
    np.testing.assert_allclose(target.asarray(), deriv * acts * (1 - acts), 1e-5)


def test_where_writes_into_the_condition():
    condition = cm.CUDAMatrix([[1.0, 0.0, np.nan, -2.0]])
    a, b = cm.zeros((1, 4)).assign(5), cm.zeros((1, 4)).assign(6)
    assert cm.where(condition, a, b) is condition
    assert condition.asarray().tolist() == [[5, 6, 5, 5]]


def test_correlate():
    """Written out element by element, for kernels of odd and even extents."""
    rng = np.random.default_rng(1)
    a = rng.standard_normal((6, 5))
    for k_rows, k_cols in ((3, 3), (1, 1), (2, 4), (5, 1), (9, 8)):
        k = rng.standard_normal((k_rows, k_cols))
        want = np.zeros_like(a)
        for i, j, h, w in np.ndindex(6, 5, k_rows, k_cols):
            y, x = i + h - k_rows // 2, j + w - k_cols // 2
            if 0 <= y < 6 and 0 <= x < 5:
                want[i, j] += a[y, x] * k[h, w]
        got = cm.correlate(cm.CUDAMatrix(a), cm.CUDAMatrix(k))
        # 72 float products of numbers around 1
        np.testing.assert_allclose(got.asarray(), want, 0, 1e-5)


def test_nothing_to_choose_from():
    for name in ("min", "max", "argmin", "argmax"):
        with pytest.raises(cm.CUDAMatException) as error:
            getattr(cm.empty((0, 3)), name)(0)
        assert str(error.value) == (
            f"{name}: a matrix of shape (0, 3) has nothing to choose from along axis 0"
        )
        assert getattr(cm.empty((0, 3)), name)(1).shape == (0, 1)


@pytest.mark.parametrize("trans", [False, True])
@pytest.mark.parametrize("axis", [0, 1])
def test_extremes_of_nan_and_infinities_are_numpy_s(axis, trans):
    rng = np.random.default_rng(2)
    choice = [np.nan, np.inf, -np.inf, 0.0, 1.0]
    host = rng.choice(choice, (40, 30), p=[0.02, 0.1, 0.1, 0.39, 0.39])
    host[:, 3] = -np.inf
    host[5] = np.inf
    m = cm.CUDAMatrix(host.T).T if trans else cm.CUDAMatrix(host)
    for name in ("min", "max", "argmin", "argmax"):
        want = getattr(np, name)(host, axis=axis, keepdims=True)
        np.testing.assert_array_equal(getattr(m, name)(axis).asarray(), want)


def test_mean_of_nothing():
    assert np.isnan(cm.empty((0, 2)).mean(0).asarray()).all()
    assert cm.empty((0, 2)).mean(1).shape == (0, 1)
