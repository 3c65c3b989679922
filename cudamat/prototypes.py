"""The functions of the C ABI: what the compiled library takes, by their names."""

import ctypes as ct


class MatrixStruct(ct.Structure):
    """`cm_matrix` of the C ABI: column-major memory, its shape as seen, and whether
    that is transposed."""

    _fields_ = [
        ("data", ct.c_void_p),
        ("rows", ct.c_int64),
        ("cols", ct.c_int64),
        ("trans", ct.c_int32),
    ]


_MATRIX = ct.POINTER(MatrixStruct)
_INT, _LONG, _SIZE = ct.c_int, ct.c_int64, ct.c_size_t
_SEED, _REAL, _POINTER, _TEXT = ct.c_uint64, ct.c_double, ct.c_void_p, ct.c_char_p
# What a user is told of an argument of that type.
WORDS = {_MATRIX: "a CUDAMatrix", _REAL: "a number", _SEED: "a whole number"}
WORDS |= {_INT: "a whole number", _LONG: "a whole number"}


def _elementwise() -> dict:
    """What the macros of elementwise.h make."""
    unary = "copy sigmoid tanh relu exp log log_1_plus_exp sqrt abs sign reciprocal "
    unary += "sin cos floor ceil gamma lgamma"
    number = "relu_squash soft_threshold"
    pair = "logistic_deriv tanh_deriv rectified_linear_deriv"
    either = "pow upper_bound_mod"
    binary = "add subtract mult divide minimum maximum less_than greater_than equals"
    table = {f"cm_{name}": [_MATRIX, _MATRIX] for name in unary.split()}
    table |= {f"cm_{name}": [_MATRIX, _REAL, _MATRIX] for name in number.split()}
    for name in f"{either} {binary}".split():
        table[f"cm_{name}_scalar"] = [_MATRIX, _REAL, _MATRIX]
    vectors = [f"{name}_{kind}" for name in binary.split() for kind in ("col", "row")]
    for name in f"{pair} {either} {binary}".split() + vectors:
        table[f"cm_{name}"] = [_MATRIX, _MATRIX, _MATRIX]
    return table


PROTOTYPES = {
    # errors, boards, memory (board.cu)
    "cm_last_error": [ct.POINTER(_TEXT)],
    "cm_flavour": [ct.POINTER(_INT), ct.POINTER(_INT)],
    "cm_board_count": [ct.POINTER(_INT)],
    "cm_board_select": [_INT],
    "cm_board_name": [_INT, _TEXT, _INT, ct.POINTER(_INT), ct.POINTER(_INT)],
    "cm_board_memory": [_INT, ct.POINTER(_SIZE), ct.POINTER(_SIZE)],
    "cm_board_of": [_POINTER, ct.POINTER(_INT)],
    "cm_synchronize": [],
    "cm_threads": [ct.POINTER(_INT)],
    "cm_set_threads": [_INT],
    "cm_allocate": [_SIZE, ct.POINTER(_POINTER)],
    "cm_allocate_seen": [_SIZE, ct.POINTER(_POINTER)],
    "cm_release": [_POINTER, _SIZE],
    "cm_bytes_in_use": [ct.POINTER(ct.c_longlong)],
    "cm_page_lock": [_POINTER, _SIZE],
    "cm_page_unlock": [_POINTER],
    "cm_copy_in": [_POINTER, _POINTER, _SIZE],
    "cm_upload": [_POINTER, _POINTER, _SIZE],
    "cm_copy_out": [_POINTER, _POINTER, _SIZE],
    # work done again, and at the same time (graph.cu)
    "cm_graph_begin": [],
    "cm_graph_end": [ct.POINTER(_POINTER)],
    "cm_graph_give_up": [],
    "cm_graph_launch": [_POINTER],
    "cm_graph_release": [_POINTER],
    "cm_fork": [],
    "cm_branch": [_INT],
    "cm_join": [],
    # element-wise (elementwise.cu, special.cu, derivatives.cu)
    **_elementwise(),
    "cm_add_mult": [_MATRIX, _MATRIX, _REAL, _MATRIX],
    "cm_subtract_mult": [_MATRIX, _MATRIX, _REAL, _MATRIX],
    "cm_add_mult_col": [_MATRIX, _MATRIX, _REAL, _MATRIX],
    "cm_add_mult_row": [_MATRIX, _MATRIX, _REAL, _MATRIX],
    "cm_mult_add": [_MATRIX, _MATRIX, _REAL, _MATRIX],
    "cm_mult_add_scalar": [_MATRIX, _REAL, _REAL, _MATRIX],
    "cm_where": [_MATRIX] * 4,
    "cm_fill": [_MATRIX, _REAL],
    "cm_cross_entropy": [_MATRIX, _MATRIX, _REAL, _MATRIX],
    "cm_cross_entropy_bernoulli": [_MATRIX, _MATRIX, _REAL, _MATRIX],
    # reductions (reduce.cu, extremes.cu)
    "cm_sum_axis": [_MATRIX, _MATRIX, _INT, _REAL, _REAL],
    "cm_sqsum_axis": [_MATRIX, _MATRIX, _INT, _REAL, _REAL],
    "cm_min_axis": [_MATRIX, _MATRIX, _INT],
    "cm_max_axis": [_MATRIX, _MATRIX, _INT],
    "cm_argmin_axis": [_MATRIX, _MATRIX, _INT],
    "cm_argmax_axis": [_MATRIX, _MATRIX, _INT],
    "cm_sum": [_MATRIX, ct.POINTER(_REAL)],
    "cm_sum_squares": [_MATRIX, ct.POINTER(_REAL)],
    "cm_sum_abs": [_MATRIX, ct.POINTER(_REAL)],
    "cm_count_nonfinite": [_MATRIX, ct.POINTER(_REAL)],
    "cm_vdot": [_MATRIX, _MATRIX, ct.POINTER(_REAL)],
    # parts (slice.cu, columns.cu)
    "cm_get_row_slice": [_MATRIX, _LONG, _MATRIX],
    "cm_set_row_slice": [_MATRIX, _LONG, _MATRIX],
    "cm_select_columns": [_MATRIX] * 3,
    "cm_set_selected_columns": [_MATRIX] * 3,
    "cm_read_value": [_MATRIX, _LONG, _LONG, ct.POINTER(_REAL)],
    "cm_write_value": [_MATRIX, _LONG, _LONG, _REAL],
    # products (product.cu, correlate.cu, packed.cu)
    "cm_dot": [_MATRIX, _MATRIX, _MATRIX, _REAL, _REAL],
    "cm_subtract_dot": [_MATRIX, _MATRIX, _MATRIX, _REAL, _REAL],
    "cm_correlate": [_MATRIX] * 3,
    "cm_packed_size": [_MATRIX, ct.POINTER(_LONG)],
    "cm_pack": [_MATRIX] * 2,
    "cm_dot_packed": [_MATRIX] * 3 + [_REAL],
    "cm_blas_open": [_TEXT],
    "cm_blas_describe": [_TEXT, _INT],
    # their bits (fewer_bits.cu)
    "cm_set_math_mode": [_INT],
    "cm_math_mode": [ct.POINTER(_INT)],
    # sparse frames (sparse.cu)
    "cm_compress": [_MATRIX, _POINTER, ct.POINTER(_LONG)],
    "cm_sparse_product": [_MATRIX, _POINTER, _POINTER, _MATRIX],
    "cm_sparse_gradient": [_MATRIX, _POINTER, _POINTER, _MATRIX],
    # random numbers (random.cu)
    "cm_fill_uniform": [_MATRIX, _SEED, _SEED],
    "cm_fill_normal": [_MATRIX, _SEED, _SEED],
    "cm_dropout_mask": [_MATRIX, _REAL, _SEED, _SEED],
    "cm_dropout_mask_part": [_MATRIX, _REAL, _LONG, _LONG, _LONG, _SEED, _SEED],
    "cm_dropout": [_MATRIX, _REAL, _REAL, _REAL, _SEED, _SEED],
    "cm_sample_bernoulli": [_MATRIX, _SEED, _SEED, _MATRIX],
    "cm_philox_words": [_POINTER, ct.c_longlong, _SEED, _SEED],
    # distributions over classes (softmax.cu)
    "cm_softmax": [_MATRIX, _MATRIX],
    "cm_softmax_row_major": [_MATRIX, _LONG, _MATRIX],
    "cm_softmax_grad": [_MATRIX] * 3,
    "cm_softmax_grad_row_major": [_MATRIX] * 3,
    "cm_softmax_correct": [_MATRIX] * 3,
    "cm_softmax_correct_row_major": [_MATRIX] * 3,
    "cm_softmax_cross_entropy": [_MATRIX, _MATRIX, _REAL, _MATRIX],
    "cm_softmax_cross_entropy_row_major": [_MATRIX, _MATRIX, _REAL, _MATRIX],
    # learning (lstm.cu, loss.cu, optimizer.cu, watch.cu)
    "cm_lstm_fprop": [_MATRIX] * 6 + [_INT],
    "cm_lstm_bprop": [_MATRIX] * 6 + [_INT],
    "cm_lstm_diag_grad": [_MATRIX] * 4,
    "cm_output": [_MATRIX, _MATRIX, _INT, _MATRIX],
    "cm_output_loss": [_MATRIX, _MATRIX, _MATRIX, _INT, _INT, _REAL, _POINTER],
    "cm_update": [_MATRIX] * 4 + [_REAL] * 5 + [_POINTER] * 2,
    "cm_watch_step": [_POINTER, _REAL],
    "cm_watch_total": [_POINTER] * 3,
    # classes (classify.cu)
    "cm_softmax_output": [_MATRIX] * 3,
    "cm_softmax_loss": [_MATRIX] * 4 + [_INT, _REAL, _POINTER],
    "cm_vote": [_MATRIX] * 3 + [_REAL, _POINTER],
    # videos, on the host (paint.cu)
    "cm_paint": [_POINTER] * 3,
    # the same on the board (compose.cu)
    "cm_compose": [_MATRIX, _POINTER, _MATRIX],
}
