"""Colours to draw with: blue, green, red in 0..255, as OpenCV takes them."""

import numpy as np

from femo_jax.emotions import Emotion

Color = tuple[int, int, int]
"""Blue, green, red."""

BLACK: Color = (16, 16, 16)
WHITE: Color = (255, 255, 255)
DARK: Color = (40, 40, 40)
"""Ground of a plate that has no colour of its own, and rim of all lines."""


def emotion_color(label: str) -> Color:
    """The colour of `Emotion.rgb`, in OpenCV's order."""
    red, green, blue = Emotion.from_label(label).rgb
    return blue, green, red


def ink(ground: Color) -> Color:
    """Black or white for text, whichever stands out more from its ground."""
    return max((BLACK, WHITE), key=lambda color: contrast(color, ground))


def mixed(first: Color, second: Color, part: float) -> Color:
    """The first colour with `part`, 0..1, of the second in it."""
    blue, green, red = (round((1 - part) * a + part * b) for a, b in zip(first, second, strict=True))
    return blue, green, red


def contrast(first: Color, second: Color) -> float:
    """Contrast ratio of two colours, 1 to 21; text wants 4.5 (W3C, Web Content Accessibility Guidelines 2.2)."""
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: Color) -> float:
    """Relative luminance of an sRGB colour, 0 to 1, as the same guidelines define it."""
    values = np.array(color) / 255
    blue, green, red = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)
