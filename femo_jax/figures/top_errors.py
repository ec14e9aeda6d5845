"""The contact sheet of a model's most confident errors."""

import os
from collections.abc import Sequence

import cv2
from matplotlib.figure import Figure

from femo_jax.data.splits import Split
from femo_jax.evaluate.top_errors import TopError
from femo_jax.figures.style import BLUE, GREY, check_format, save_figure

_COLUMNS = 8
_ENLARGED = 192  # pixels a side: four times FER-2013's
_CAPTION = 0.36  # height below a face, relative to its own


def plot_top_errors(errors: Sequence[TopError], split: Split, path: str | os.PathLike[str], title: str) -> None:
    """Draws a contact sheet: each face enlarged, with label, prediction and confidence, and FER+'s majority.

    Args:
      errors: of `select_top_errors`, in their order.
      split: whose images they are.
      path: of the figure.
      title: above the sheet.

    Raises:
      FemoError: the suffix is of no figure format, or the file cannot be written.
    """
    check_format(path)
    rows = max(1, -(-len(errors) // _COLUMNS))
    figure = Figure(figsize=(1.9 * _COLUMNS, 1.9 * (1 + _CAPTION) * rows + 0.8), layout="constrained")
    figure.suptitle(title, fontsize="x-large")
    sheet = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes in sheet:
        axes.set_axis_off()
    for axes, error in zip(sheet, errors, strict=False):  # the last row need not be full
        face = cv2.resize(split.images[error.index, ..., 0], (_ENLARGED, _ENLARGED), interpolation=cv2.INTER_CUBIC)
        axes.imshow(face, cmap="gray", vmin=0, vmax=255)
        axes.set_ylim(_ENLARGED * (1 + _CAPTION), 0)
        majority = f"FER+: {' / '.join(error.majority)}" if error.majority else ""
        name = str(split.names[error.index]).rsplit("/", 1)[-1]
        lines = (
            (f"{error.label} → {error.predicted} {100 * error.confidence:.0f} %", 10, "black"),
            (majority, 9, BLUE),
            (name, 7, GREY),
        )
        below = 1.03
        for line, size, colour in lines:
            if line:
                axes.text(_ENLARGED / 2, below * _ENLARGED, line, ha="center", va="top", fontsize=size, color=colour)
                below += 0.11
    save_figure(figure, path, dpi=100)
