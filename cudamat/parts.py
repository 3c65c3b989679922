"""Parts of a matrix: ranges of columns and rows, chosen columns, single elements."""

from __future__ import annotations

from .base import Base, need_matrix, scalar
from .library import CUDAMatException, lib


class Parts(Base):
    """The methods of CUDAMatrix that take or change a part of it.

    Ranges run from the first to the one before the last. A range of columns is a view,
    which shares memory; a range of rows is a copy.
    """

    # ------------------------------------------------------------------- columns

    def col_slice(self, first_col: int, last_col: int):
        """Columns first_col to last_col - 1, as a view."""
        rows, cols = self.shape
        first, last = self._range("columns", first_col, last_col, cols)
        if self.mat.trans and rows > 1 and cols > 1:
            raise CUDAMatException(
                "columns of a transposed view are no view; copy first"
            )
        return self._view(self.buffer, self.offset + first * rows, rows, last - first)

    def slice(self, first_col: int, last_col: int, include_host: bool = False):
        """Columns first_col to last_col - 1, as a view; of a column vector its elements
        first_col to last_col - 1.

        With `include_host` the view's `numpy_array` is that part of this one's, if
        there is one.
        """
        rows, cols = self.shape
        if cols == 1 and rows > 1:
            first, last = self._range("elements", first_col, last_col, rows)
            view = self._view(self.buffer, self.offset + first, last - first, 1)
            where = slice(first, last), slice(None)
        else:
            view = self.col_slice(first_col, last_col)
            where = slice(None), slice(first_col, last_col)
        if include_host and self.numpy_array is not None:
            view.numpy_array = self.numpy_array[where]
        return view

    def _is_rows_inside(self) -> bool:
        """Whether a range of columns is one of rows in memory, and no view."""
        return bool(self.mat.trans) and self.shape[0] > 1 and self.shape[1] > 1

    def get_col_slice(self, first_col: int, last_col: int, target=None):
        """`slice`, or with a target a copy of it there."""
        if target is None:
            return self.slice(first_col, last_col)
        if self._is_rows_inside():
            first, last = self._range("columns", first_col, last_col, self.shape[1])
            _need_extent(target, "the target", "columns", last - first)
            lib.cm_get_row_slice(self.T, first, target.T)
        else:
            lib.cm_copy(self.slice(first_col, last_col), target)
        return target

    def set_col_slice(self, first_col: int, last_col: int, mat):
        """The columns that `slice` would give take the values of `mat`."""
        if self._is_rows_inside():
            first, last = self._range("columns", first_col, last_col, self.shape[1])
            _need_extent(mat, "the matrix", "columns", last - first)
            lib.cm_set_row_slice(self.T, first, mat.T)
        else:
            lib.cm_copy(mat, self.slice(first_col, last_col))
        return self

    def select_columns(self, indices, target):
        """Column k of `target` (rows, n) = the column that element k of `indices`
        (1, n) names, counted from the end where it is negative; NaN where there is no
        such column."""
        lib.cm_select_columns(self, indices, target)
        return target

    def set_selected_columns(self, indices, source):
        """The column that element k of `indices` (1, n) names, counted from the end
        where it is negative, = column k of `source` (rows, n); nothing where there is
        no such column. Of equal indices the last one counts."""
        lib.cm_set_selected_columns(self, indices, source)
        return self

    # ------------------------------------------------------------------- rows

    def get_row_slice(self, start: int, end: int, target=None):
        """A copy of rows start to end - 1, in a new matrix unless a target is given."""
        start, end = self._range("rows", start, end, self.shape[0])
        target = self._new(end - start, self.shape[1]) if target is None else target
        _need_extent(target, "the target", "rows", end - start)
        lib.cm_get_row_slice(self, start, target)
        return target

    def set_row_slice(self, start: int, end: int, mat):
        """Rows start to end - 1 take the values of `mat`."""
        start, end = self._range("rows", start, end, self.shape[0])
        _need_extent(mat, "the matrix", "rows", end - start)
        lib.cm_set_row_slice(self, start, mat)
        return self

    # ------------------------------------------------------------------- elements

    def read_value(self, row: int, col: int) -> float:
        """One element. Waits for the board."""
        return scalar(lib.cm_read_value, self, row, col)

    def write_value(self, row: int, col: int, val: float):
        """One element becomes `val`."""
        lib.cm_write_value(self, row, col, val)
        return self


def _need_extent(matrix, role: str, what: str, extent: int) -> None:
    found = need_matrix(matrix, role).shape[0 if what == "rows" else 1]
    if found != extent:
        raise CUDAMatException(f"{role} has {found} {what}, but the range has {extent}")
