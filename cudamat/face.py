"""Makers of the Python face of element-wise operations: a line of theirs is a function
of the module and, in a class, a method.

All work in place unless a target is given, and return the matrix that they wrote.
"""

from __future__ import annotations

from .base import Base
from .library import lib


def _named(function, name: str, doc: str):
    function.__name__ = name
    function.__qualname__ = name
    function.__doc__ = f"{doc}, element by element, in place unless a target is given."
    return function


def unary(export: str, doc: str, name: str | None = None):
    """The face of ``cm_<export>(m, target)``; `doc` says what comes out."""
    c_name = f"cm_{export}"

    def apply(mat: Base, target: Base | None = None):
        target = mat if target is None else target
        getattr(lib, c_name)(mat, target)
        return target

    return _named(apply, name or export, doc)


def pair(export: str, doc: str, name: str | None = None):
    """The face of ``cm_<export>(a, b, target)`` for two matrices."""
    c_name = f"cm_{export}"

    def apply(self: Base, val: Base, target: Base | None = None):
        target = self if target is None else target
        getattr(lib, c_name)(self, val, target)
        return target

    return _named(apply, name or export, doc)


def vector(export: str, doc: str, name: str):
    """The face of ``cm_<export>(m, vec, target)``: with a column or row vector."""
    c_name = f"cm_{export}"

    def apply(self: Base, vec: Base, target: Base | None = None):
        target = self if target is None else target
        getattr(lib, c_name)(self, vec, target)
        return target

    return _named(apply, name, doc)


def either(export: str, doc: str, name: str | None = None):
    """The face of ``cm_<export>`` and ``cm_<export>_scalar``: with a matrix of the same
    shape or a number."""
    of_matrix, of_number = f"cm_{export}", f"cm_{export}_scalar"

    def apply(self: Base, val: Base | float, target: Base | None = None):
        target = self if target is None else target
        name = of_matrix if isinstance(val, Base) else of_number
        getattr(lib, name)(self, val, target)
        return target

    return _named(apply, name or export, doc)
