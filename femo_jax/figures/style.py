"""What femo's figures share: formats, colours, and writing a figure as a whole or not at all.

Figures are made without pyplot, so that no global backend or state is touched.
"""

import io
import os
import sys
from pathlib import Path

from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from femo_jax.errors import FemoError
from femo_jax.files import replacing

FORMATS = (".png", ".pdf", ".svg")

BLUE, LIGHT_BLUE, ORANGE, GREY = "#0072B2", "#56B4E9", "#D55E00", "#666666"
"""Colours of femo's figures: three of Okabe and Ito's palette (2008), and a grey for what stands beside them."""


STANDARD_OUTPUT = "-"
"""A path that stands for the standard output, to which a figure is written as PNG."""


def check_format(path: str | os.PathLike[str]) -> None:
    """Checks that a figure can be written as `path`, for a caller about to work long before it draws.

    Raises:
      FemoError: the suffix is none of `FORMATS`.
    """
    if os.fspath(path) != STANDARD_OUTPUT and Path(path).suffix.lower() not in FORMATS:
        raise FemoError(f"{path}: unknown figure format; choose a name that ends in {', '.join(FORMATS)}.")


def save_figure(figure: Figure, path: str | os.PathLike[str], dpi: int = 150) -> None:
    """Writes a figure to `path` as a whole or not at all, at `dpi` dots an inch where the format has dots.

    Args:
      figure: to write.
      path: of the file, whose suffix decides the format; `-` writes a PNG to the standard output.
      dpi: dots per inch.

    Raises:
      FemoError: the file cannot be written; its old contents are kept.
    """
    if os.fspath(path) == STANDARD_OUTPUT:
        contents = io.BytesIO()
        figure.savefig(contents, dpi=dpi, format="png")
        sys.stdout.buffer.write(contents.getvalue())
        sys.stdout.buffer.flush()
        return
    with replacing(path) as beside:
        figure.savefig(beside, dpi=dpi)


def percent_axis(axis: Axis) -> None:
    """Labels an axis of shares in per cent, with every digit of a gridline's value: 62.5 %, not 62 %."""
    axis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.6g} %"))
