"""Where the pictures of a program go: into a folder, and into windows if asked."""

from __future__ import annotations

import os
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from videolstm.errors import UserError
from videolstm.files import check_writable
from videolstm.pictures.sequences import save_figure

FORMATS = ("png", "pdf")


class Gallery:
    """Writes pictures into `folder`, which is made, as STEM, STEM_NAME and so on.

    suffix: of the pictures, one of FORMATS. windows: whether `show` will open them.
    `written` are the files so far. Raises UserError, before any long work, for a folder
    that cannot be made or written to and where no window can be opened.
    """

    def __init__(
        self, folder: str | os.PathLike, stem: str, suffix: str, windows: bool
    ) -> None:
        self.folder, self.stem, self.suffix = Path(folder), stem, suffix
        self.windows = windows
        self.written: list[Path] = []
        self._figures: list[tuple[str, Figure]] = []
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"--out is {str(folder)!r}, and no folder can be made there "
                f"({os.strerror(error.errno).lower()}); it should be a folder that can "
                "be written to"
            ) from None
        check_writable(self.path(""))
        if windows:
            _check_windows()

    def path(self, name: str, suffix: str | None = None) -> Path:
        """Where the picture `name` goes."""
        stem = f"{self.stem}_{name}" if name else self.stem
        return self.folder / f"{stem}.{suffix or self.suffix}"

    def add(self, name: str, figure: Figure) -> None:
        """Writes a picture."""
        save_figure(figure, self.path(name))
        self.written.append(self.path(name))
        if self.windows:
            self._figures.append((self.path(name).name, figure))

    def show(self) -> None:
        """Opens a window for each picture; returns when all are closed."""
        import matplotlib.pyplot as plt

        for name, figure in self._figures:
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
            window = plt.figure(num=name, layout="constrained")
            axes = window.add_subplot()
            axes.imshow(canvas.buffer_rgba())
            axes.set_axis_off()
        plt.show()


def _check_windows() -> None:
    """Raises UserError where matplotlib cannot open a window."""
    import matplotlib.pyplot as plt

    try:
        plt.close(plt.figure())  # decides what is used
        backend = plt.get_backend().lower()
    except Exception as error:  # whatever a toolkit raises without a display
        backend = " ".join(str(error).split()) or "agg"
    if backend not in _window_backends():
        raise UserError(
            f"--show: matplotlib can open no window here (it found {backend!r}): leave "
            "the option out and look at the files"
        )


def _window_backends() -> set[str]:
    from matplotlib import rcsetup

    try:
        from matplotlib.backends import BackendFilter, backend_registry
    except ImportError:  # matplotlib before 3.9
        names = rcsetup.interactive_bk
    else:
        names = backend_registry.list_builtin(BackendFilter.INTERACTIVE)
    return {name.lower() for name in names}
