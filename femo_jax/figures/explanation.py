"""The figure of explained faces: a row a face, with its crop, probabilities and maps."""

import os
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from femo_jax.emotions import class_colors
from femo_jax.errors import ConfigError
from femo_jax.explain.faces import Explainer, Explanation
from femo_jax.figures.style import GREY, check_format, save_figure

MAX_ROWS = 100
"""Faces that one figure takes: it is 4 metres high then."""

_PANEL, _GAP, _TITLE = 1.3, 0.16, 0.3  # inches: side of an image, space between two, height of what is written above
_LABELS, _BARS = 0.68, 1.3  # width of the emotions' names and of the bars
_HEAD, _SCALES, _MARGIN = 0.34, 0.5, 0.12
_CAPTION_LINE, _CHARACTERS = 0.15, 19.0  # inches a line, characters an inch
_LONGEST_NAME = 26
_DARK = "#222222"
_DOTS_PER_INCH = 200

_OPACITY = 0.75
_HEAT = colormaps["inferno"]
_HEAT_FADING = LinearSegmentedColormap.from_list(
    "fading", [(*_HEAT(value)[:3], _OPACITY * min(1.0, 1.6 * value)) for value in np.linspace(0, 1, 64)]
)
"""Where a layer finds nothing, the face is left to be seen."""
_SIGNED = colormaps["RdBu_r"]
_SIGNED_FADING = LinearSegmentedColormap.from_list(
    "signed fading", [(*_SIGNED(value)[:3], min(1.0, 3 * abs(2 * value - 1))) for value in np.linspace(0, 1, 65)]
)


@dataclass(frozen=True, eq=False)
class ExplainedFace:
    """A row of the figure.

    Attributes:
      name: of the face, to be written above it.
      crop: `[48, 48] uint8`, what the network sees.
      probabilities: `[c] float32`, in the order of the class names of the model.
      explanations: of one or more classes; as many in each row.
    """

    name: str
    crop: np.ndarray
    probabilities: np.ndarray
    explanations: Sequence[Explanation]


def check_count(faces: int) -> None:
    """Checks that so many faces fit into a figure, for a caller about to explain them.

    Raises:
      ConfigError: they are too many.
    """
    if faces > MAX_ROWS:
        raise ConfigError(f"more than {MAX_ROWS} faces, the most that one figure shows. Explain fewer images.")


def draw_faces(faces: Sequence[ExplainedFace], explainer: Explainer, path: str | os.PathLike[str]) -> None:
    """Draws a row a face: the crop, the probabilities, and for each explained class three maps.

    Grad-CAM and LayerCAM lie over the face, their cells interpolated, each map scaled by its maximum. Integrated
    Gradients are drawn a pixel each, red for the class and blue against it, over a faint face and by the 99.5th
    percentile of their absolute values.

    Args:
      faces: 1 to `MAX_ROWS`.
      explainer: which explained them, for the caption.
      path: of the figure.

    Raises:
      ConfigError: too many faces.
      FemoError: the suffix is none that `femo_jax.figures.style` writes, or the file cannot be written.
    """
    check_format(path)
    check_count(len(faces))
    classes = len(faces[0].explanations)
    across = [_PANEL, _LABELS + _BARS, *[_PANEL] * (3 * classes)]
    lefts = [_MARGIN + sum(across[:column]) + column * _GAP for column in range(len(across))]
    width = lefts[-1] + across[-1] + _MARGIN
    caption = textwrap.wrap(_caption(faces, explainer), int((width - 2 * _MARGIN) * _CHARACTERS))
    foot = _MARGIN + _CAPTION_LINE * len(caption)
    height = _HEAD + len(faces) * (_TITLE + _PANEL) + _SCALES + foot
    figure = Figure(figsize=(width, height))

    def axes_at(left: float, bottom: float, wide: float, high: float) -> Axes:
        return figure.add_axes((left / width, bottom / height, wide / width, high / height))

    headings = ["face", "probability", *["Grad-CAM", "LayerCAM", "Integrated Gradients"] * classes]
    for left, wide, heading in zip(lefts, across, headings, strict=True):
        at = (left + wide / 2) / width, 1 - 0.22 / height
        figure.text(*at, heading, ha="center", va="center", fontsize=8, fontweight="bold", color=_DARK)
    for row, face in enumerate(faces):
        bottom = height - _HEAD - (row + 1) * (_TITLE + _PANEL)
        _draw_crop(axes_at(lefts[0], bottom, _PANEL, _PANEL), face)
        _draw_bars(axes_at(lefts[1] + _LABELS, bottom, _BARS, _PANEL), face, explainer.model.classes)
        for number, explanation in enumerate(face.explanations):
            panels = [axes_at(left, bottom, _PANEL, _PANEL) for left in lefts[2 + 3 * number : 5 + 3 * number]]
            _draw_cells(panels[0], face.crop, explanation.grad_cam, explanation.label)
            _draw_cells(panels[1], face.crop, explanation.layer_cam, explanation.label)
            _draw_pixels(panels[2], face.crop, explanation)
    for column, left in enumerate(lefts[2:]):
        _draw_scale(axes_at(left, foot + _SCALES - 0.22, _PANEL, 0.08), signed=column % 3 == 2)
    figure.text(_MARGIN / width, foot / height, "\n".join(caption), va="top", fontsize=7, color=GREY, linespacing=1.4)
    save_figure(figure, path, dpi=_DOTS_PER_INCH)


def _draw_crop(axes: Axes, face: ExplainedFace) -> None:
    axes.imshow(face.crop, cmap="gray", vmin=0, vmax=255)
    half = _LONGEST_NAME // 2
    name = face.name if len(face.name) <= _LONGEST_NAME else f"{face.name[: half - 1]}...{face.name[-half:]}"
    _finish(axes, name)


def _draw_bars(axes: Axes, face: ExplainedFace, class_names: tuple[str, ...]) -> None:
    places = range(len(class_names))
    colours = [tuple(value / 255 for value in rgb) for rgb in class_colors(class_names).values()]
    size = 7.5 * min(1.0, 10 / len(class_names))
    axes.barh(places, face.probabilities, height=0.72, color=colours)
    for place, probability in zip(places, face.probabilities, strict=True):
        # A long bar has its number inside.
        inside = probability > 0.7
        at = probability - 0.02 if inside else probability + 0.02
        axes.text(
            at, place, f"{100 * probability:.0f} %", ha="right" if inside else "left", va="center", fontsize=0.93 * size
        )
    explained = {explanation.label for explanation in face.explanations}
    axes.set_yticks(places, class_names, fontsize=size)
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() in explained else "normal")
    axes.tick_params(length=0, pad=2)
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    axes.invert_yaxis()
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.spines["left"].set_color(GREY)


def _draw_cells(axes: Axes, crop: np.ndarray, cells: np.ndarray, label: str) -> None:
    axes.imshow(crop, cmap="gray", vmin=0, vmax=255)
    highest = float(cells.max())
    if highest > 0:
        extent = (-0.5, crop.shape[1] - 0.5, crop.shape[0] - 0.5, -0.5)
        axes.imshow(cells / highest, cmap=_HEAT_FADING, vmin=0, vmax=1, extent=extent, interpolation="bilinear")
    _finish(axes, label if highest > 0 else f"{label}: no evidence")


def _draw_pixels(axes: Axes, crop: np.ndarray, explanation: Explanation) -> None:
    limit = float(np.percentile(np.abs(explanation.pixels), 99.5)) or 1.0
    axes.imshow(crop, cmap="gray", vmin=-600, vmax=255)
    axes.imshow(explanation.pixels, cmap=_SIGNED_FADING, vmin=-limit, vmax=limit, interpolation="nearest")
    _finish(axes, f"{explanation.label}: sum {explanation.pixels.sum():+.2f}")


def _draw_scale(axes: Axes, *, signed: bool) -> None:
    scale = axes.figure.colorbar(ScalarMappable(cmap=_SIGNED if signed else _HEAT), axes, orientation="horizontal")
    scale.set_ticks([0, 1], labels=["against", "for"] if signed else ["0", "maximum"], fontsize=7)
    scale.ax.tick_params(length=0, pad=2)
    scale.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    for label, side in zip(scale.ax.get_xticklabels(), ("left", "right"), strict=True):
        label.set_horizontalalignment(side)


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=7.5, pad=3, color=_DARK)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(GREY)
        spine.set_linewidth(0.5)


def _caption(faces: Sequence[ExplainedFace], explainer: Explainer) -> str:
    coarse, fine = explainer.coarse, explainer.fine
    gap = max(abs(one.gap) for face in faces for one in face.explanations)
    return (
        f"{explainer.model.architecture}. Grad-CAM: last layer of {coarse.height}x{coarse.width} cells, LayerCAM: last"
        f" layer of {fine.height}x{fine.width}; cells interpolated, each map scaled by its maximum."
        " Integrated Gradients: contribution of each pixel to"
        f" the logit, from a {explainer.baseline} baseline in {explainer.steps} steps, each map scaled by its 99.5th"
        f" percentile; largest completeness error {gap:.2g}."
    )
