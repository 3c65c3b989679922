"""The package under the name of the module that it was in cudamat 0.3, for scripts with
``from cudamat import cudamat``."""

from . import *  # noqa: F403
from . import __all__ as __all__
