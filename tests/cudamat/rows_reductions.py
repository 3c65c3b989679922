"""Rows of the table: products, sums, extremes and distributions."""

import numpy as np

import cudamat as cm
from tests.cudamat.row import Row, labels, normal, probability, repeated

# ----------------------------------------------------------------------- products


def products(name, ours):
    return Row(
        name,
        "mk,kn->mn",
        ours,
        np.matmul,
        ("target", "new"),
        ulps=16,
        why="at most 37 products, their rounding errors of either sign",
        scale=np.matmul,
    )


def accumulated(name, ours, beta, alpha, receiver=0):
    return Row(
        name,
        "mn,mk,kn->mn",
        ours,
        lambda c, a, b: beta * c + alpha * a @ b,
        ("in place",),
        ulps=16,
        why="as dot",
        scale=lambda c, a, b: abs(beta) * c + abs(alpha) * a @ b,
        receiver=receiver,
    )


def correlate(m, kernel):
    """out[i, j] = sum of m[i + h, j + w] kernel[K//2 + h, L//2 + w], zeros around."""
    (rows, cols), (k_rows, k_cols) = m.shape, kernel.shape
    padded = np.pad(m, ((k_rows // 2, k_rows), (k_cols // 2, k_cols)))
    out = np.zeros_like(m)
    for h in range(k_rows):
        for w in range(k_cols):
            out += padded[h : h + rows, w : w + cols] * kernel[h, w]
    return out


PRODUCTS = [
    products("dot", lambda a, b, t: cm.dot(a, b, t)),
    products("dot_method", lambda a, b, t: a.dot(b, t)),
    accumulated(
        "dot_accumulate",
        lambda c, a, b, t: cm.dot(a, b, c, beta=0.5, alpha=-2.0),
        0.5,
        -2.0,
    ),
    accumulated(
        "dot_by_its_other_names",
        lambda c, a, b, t: cm.dot(a, b, c, mult=-2.0, scale_targets=0.5),
        0.5,
        -2.0,
    ),
    accumulated(
        "dot_method_accumulate",
        lambda c, a, b, t: a.dot(b, c, mult=-2.0, scale_targets=0.5),
        0.5,
        -2.0,
        receiver=1,
    ),
    accumulated("add_dot", lambda c, a, b, t: c.add_dot(a, b, mult=0.5), 1, 0.5),
    accumulated(
        "subtract_dot",
        lambda c, a, b, t: c.subtract_dot(a, b, mult=0.5, beta=0.25),
        0.25,
        -0.5,
    ),
    Row(
        "correlate",
        "mn,kk->mn",
        lambda m, k, t: cm.correlate(m, k, t),
        correlate,
        ("target", "new"),
        ulps=32,
        why="at most 1369 products, their rounding errors of either sign",
        scale=correlate,
        free=(1,),
    ),
]

# ----------------------------------------------------------------------- sums

MANY_TERMS = "at most 40022 terms, added up in several lanes; errors of either sign"


def sums(axis: int) -> list[Row]:
    shape = "1n" if axis == 0 else "m1"
    loose = {"ulps": 16, "why": MANY_TERMS}
    of_one_sign = {"ulps": 64, "why": "20011 terms that are all positive"}

    def total(m):
        return m.sum(axis=axis, keepdims=True)

    def squares(m):
        return 0.5 * total(m * m)

    def mean(m):
        return total(m) / m.shape[axis]

    def row(name, ours, numpy, scale, **options):
        options = {"modes": ("target", "new"), "scale": scale} | loose | options
        return Row(f"{name}_{axis}", f"mn->{shape}", ours, numpy, **options)

    return [
        row("sum", lambda m, t: m.sum(axis, t), total, total),
        row(
            "sum_function",
            lambda m, t: cm.sum(m, axis, t, mult=-0.5),
            lambda m: -0.5 * total(m),
            total,
        ),
        row(
            "sqsum",
            lambda m, t: m.sqsum(axis, t, mult=0.5),
            squares,
            squares,
            **of_one_sign,
        ),
        row("mean", lambda m, t: m.mean(axis, t), mean, mean),
        row("mean_function", lambda m, t: cm.mean(m, axis, t), mean, mean),
        Row(
            f"add_sums_{axis}",
            f"{shape},mn->{shape}",
            lambda v, m, t: v.add_sums(m, axis, mult=2.0, beta=0.25),
            lambda v, m: 0.25 * v + 2 * total(m),
            ("in place",),
            scale=lambda v, m: v + 2 * total(m),
            **loose,
        ),
    ]


def number(name, pattern, ours, numpy, scale) -> Row:
    return Row(
        name, pattern, ours, numpy, ("number",), ulps=16, why=MANY_TERMS, scale=scale
    )


NUMBERS = [
    number("total", "mn->", lambda m, t: m.total(), np.sum, np.sum),
    number(
        "sum_of_all", "mn->", lambda m, t: m.sum(mult=2), lambda m: 2 * m.sum(), np.sum
    ),
    number(
        "euclid_norm",
        "mn->",
        lambda m, t: m.euclid_norm(),
        lambda m: np.sqrt((m * m).sum()),
        None,
    ),
    number(
        "manhattan_norm",
        "mn->",
        lambda m, t: m.manhattan_norm(),
        lambda m: np.abs(m).sum(),
        None,
    ),
    number(
        "vdot",
        "mn,mn->",
        lambda a, b, t: cm.vdot(a, b),
        lambda a, b: (a * b).sum(),
        lambda a, b: (a * b).sum(),
    ),
]

# ----------------------------------------------------------------------- extremes


def extremes(axis: int) -> list[Row]:
    """Of values with many ties: the first one counts."""
    shape = "1n" if axis == 0 else "m1"

    def row(name, numpy):
        return Row(
            f"{name}_{axis}",
            f"mn->{shape}",
            lambda m, t: getattr(m, name)(axis, t),
            lambda m: numpy(m, axis=axis, keepdims=True).astype(np.float64),
            ("target", "new"),
            values=repeated if "arg" in name else normal,
            ulps=0,
            why="exact",
            refuses=("no_rows",) if axis == 0 else ("no_columns",),
        )

    functions = {"min": np.min, "max": np.max, "argmin": np.argmin, "argmax": np.argmax}
    return [row(name, numpy) for name, numpy in functions.items()]


# ----------------------------------------------------------------------- distributions


def softmax(m, axis=0):
    if m.shape[axis] == 0:
        return m
    e = np.exp(m - m.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def hot(m, label):
    """1 where a column's label is, 0 elsewhere."""
    return (np.arange(m.shape[0])[:, None] == label).astype(np.float64)


def is_right(m, label):
    if m.shape[0] == 0:
        return np.zeros(label.shape)
    return (m.argmax(axis=0)[None, :] == label).astype(np.float64)


def cost(p, label):
    known = (label >= 0) & (label < p.shape[0])
    chosen = (hot(p, label) * p).sum(axis=0, keepdims=True)
    return np.where(known, -np.log(chosen + 1e-10), np.nan)


def turned(function):
    """The same for distributions in rows."""
    return lambda *arrays: function(*(a.T for a in arrays)).T


SOFTMAX = {
    "ulps": 16,
    "why": "exp of a difference of at most 10, which is rounded",
}
EXACT = {"ulps": 0, "why": "exact"}
LOGARITHM = {
    "ulps": 4,
    "why": "the logarithm's argument is rounded",
    "values": (probability, labels),
}


def with_labels(name, axis, numpy, modes, **options) -> Row:
    vector = "1n" if axis == 0 else "m1"
    result = "mn" if "grad" in name else vector
    return Row(
        name,
        f"mn,{vector}->{result}",
        lambda m, label, t: getattr(m, name)(label, target=t),
        numpy if axis == 0 else turned(numpy),
        modes,
        **{"values": (normal, labels)} | options,
    )


IN_PLACE, NEW = ("target", "in place"), ("target", "new")

DISTRIBUTIONS = [
    Row(
        "apply_softmax",
        "mn->mn",
        lambda m, t: m.apply_softmax(target=t),
        softmax,
        **SOFTMAX,
    ),
    Row(
        "apply_softmax_row_major",
        "mn->mn",
        lambda m, t: m.apply_softmax_row_major(),
        turned(softmax),
        ("in place",),
        **SOFTMAX,
    ),
    Row(
        "apply_softmax_row_major_of_slices_of_1",
        "mn->mn",
        lambda m, t: m.apply_softmax_row_major(num_slices=1),
        np.ones_like,
        ("in place",),
        **EXACT,
    ),
    with_labels("apply_softmax_grad", 0, lambda m, j: m - hot(m, j), IN_PLACE),
    with_labels(
        "apply_softmax_grad_row_major", 1, lambda m, j: m - hot(m, j), IN_PLACE
    ),
    with_labels("get_softmax_correct", 0, is_right, NEW, **EXACT),
    with_labels("get_softmax_correct_row_major", 1, is_right, NEW, **EXACT),
    with_labels(
        "get_softmax_cross_entropy",
        0,
        cost,
        NEW,
        scale=lambda p, j: 1 + np.nan_to_num(np.abs(cost(p, j))),
        **LOGARITHM,
    ),
    with_labels(
        "get_softmax_cross_entropy_row_major",
        1,
        cost,
        NEW,
        scale=lambda p, j: 1 + np.nan_to_num(np.abs(turned(cost)(p, j))),
        **LOGARITHM,
    ),
]

REDUCTIONS = [*sums(0), *sums(1), *NUMBERS, *extremes(0), *extremes(1), *DISTRIBUTIONS]
