"""Windows that slide over height and width: paddings, and sizes of outputs."""

from collections.abc import Sequence
from typing import Literal

from jax import lax

Padding = Literal["SAME", "VALID"]
"""As in XLA: SAME gives `ceil(size / stride)` outputs with padding shared out evenly, the odd pixel behind; VALID has
no padding."""


def pair(value: int | Sequence[int]) -> tuple[int, int]:
    """One number for height and width, or one each.

    Raises:
      ValueError: neither, or a number below 1.
    """
    numbers = (value, value) if isinstance(value, int) else tuple(value)
    if len(numbers) != 2 or min(numbers) < 1:
        raise ValueError(f"expected one number above 0, or two for height and width, got {value!r}")
    return numbers


def pad_sizes(
    sizes: Sequence[int], window: Sequence[int], strides: Sequence[int], padding: Padding
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Pixels of padding, (above, below) and (left, right).

    Raises:
      ValueError: the padding is neither of the two.
    """
    if padding not in ("SAME", "VALID"):
        raise ValueError(f"expected padding SAME or VALID, got {padding!r}")
    height, width = lax.padtype_to_pads(sizes, window, strides, padding)
    return (int(height[0]), int(height[1])), (int(width[0]), int(width[1]))


def output_sizes(
    sizes: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    pads: tuple[tuple[int, int], tuple[int, int]],
) -> tuple[int, int]:
    """Height and width of the output; below 1 where the window is larger than the padded picture."""
    height, width = (
        (size + sum(pad) - extent) // stride + 1
        for size, extent, stride, pad in zip(sizes, window, strides, pads, strict=True)
    )
    return height, width
