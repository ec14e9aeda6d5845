"""A colour for each class of a model, the same on pages and in figures."""

from collections.abc import Sequence

from femo_jax import emotions


def class_colors(names: Sequence[str]) -> dict[str, str]:
    """The colours of `femo_jax.emotions.class_colors` as `#RRGGBB`, by class name."""
    colors = emotions.class_colors(tuple(names))
    return {name: f"#{red:02X}{green:02X}{blue:02X}" for name, (red, green, blue) in colors.items()}


def text_color(ground: str) -> str:
    """Black or white as `#RRGGBB`, whichever stands out more from a ground.

    By the contrast ratio of the W3C's Web Content Accessibility Guidelines 2.2.
    """
    values = [int(ground[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#FFFFFF"
