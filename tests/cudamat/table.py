"""The table of the matrix library's operations, put together; see `row.Row`."""

from tests.cudamat.row import Row, layouts, shapes
from tests.cudamat.rows_elementwise import ELEMENTWISE
from tests.cudamat.rows_reductions import PRODUCTS, REDUCTIONS

ROWS: list[Row] = ELEMENTWISE + PRODUCTS + REDUCTIONS

__all__ = ["ELEMENTWISE", "PRODUCTS", "REDUCTIONS", "ROWS", "Row", "layouts", "shapes"]
