"""Windows that slide over height and width: paddings, and sizes of outputs."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jax import lax

Padding = Literal["SAME", "VALID"]
"""As in XLA: SAME gives `ceil(size / stride)` outputs with even padding, the odd pixel at the end; VALID has
no padding."""


class Window(NamedTuple):
    """A window and the images it slides over; hashable, as a static argument must be.

    Attributes:
      sizes: of the images, height and width, as in all fields.
      extent: of the window.
      strides: its steps.
      pads: pixels of padding, (above, below) and (left, right).
    """

    sizes: tuple[int, int]
    extent: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[tuple[int, int], tuple[int, int]]

    @property
    def outputs(self) -> tuple[int, int]:
        """Height and width of the output; below 1 where the window is larger than the padded image."""
        height, width = (
            (size + sum(pad) - extent) // stride + 1
            for size, extent, stride, pad in zip(self.sizes, self.extent, self.strides, self.pads, strict=True)
        )
        return height, width

    @property
    def tiles(self) -> bool:
        """Whether its positions neither overlap nor leave the image."""
        return self.extent == self.strides and not any(map(any, self.pads))

    def attributes(self) -> dict[str, np.ndarray]:
        """Steps and padding in the form that the extension takes."""
        return {"strides": np.array(self.strides, np.int64), "padding": np.array(self.pads, np.int64).ravel()}


def slide(
    what: str,
    extent: Sequence[int],
    images: Sequence[int],
    strides: int | Sequence[int],
    padding: Padding,
) -> Window:
    """Compute the window of a layer.

    Args:
      what: description of the window for error messages: "a kernel (3, 3, 1, 8)".
      extent: its height and width.
      images: their shape, `[n, h, w, c]`.
      strides: steps along h and w.
      padding: SAME or VALID.

    Raises:
      ValueError: a step is below 1, the padding is neither of the two, or the window does not fit into the images.
    """
    sizes, steps = (images[1], images[2]), pair(strides)
    if padding not in ("SAME", "VALID"):
        raise ValueError(f"expected padding SAME or VALID, got {padding!r}")
    height, width = lax.padtype_to_pads(sizes, extent, steps, padding)
    pads = (int(height[0]), int(height[1])), (int(width[0]), int(width[1]))
    window = Window(sizes, (extent[0], extent[1]), steps, pads)
    if min(window.outputs) < 1:
        raise ValueError(f"{what} does not fit into images {images} with padding {padding}")
    return window


def pair(value: int | Sequence[int]) -> tuple[int, int]:
    """One number for height and width, or one each.

    Raises:
      ValueError: neither, or a number below 1.
    """
    numbers = (value, value) if isinstance(value, int) else tuple(value)
    if len(numbers) != 2 or min(numbers) < 1:
        raise ValueError(f"expected one number above 0, or two for height and width, got {value!r}")
    return numbers
