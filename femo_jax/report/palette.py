"""A colour for each class of a model, the same on pages and in figures."""

from collections.abc import Sequence

from femo_jax.emotions import Emotion

# Tol's muted palette (2021), for classes that femo has no colour of.
_OTHERS = ("#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255", "#AA4499")


def class_colors(names: Sequence[str]) -> dict[str, str]:
    """Colours as `#RRGGBB` by class name: of an emotion that of `Emotion.rgb`, of other classes the next that is free.

    From the tenth class without a colour of its own on, colours come again.
    """
    colors, others = {}, 0
    for name in names:
        try:
            red, green, blue = Emotion.from_synonym(name).rgb
            colors[name] = f"#{red:02X}{green:02X}{blue:02X}"
        except ValueError:
            colors[name] = _OTHERS[others % len(_OTHERS)]
            others += 1
    return colors


def text_color(ground: str) -> str:
    """Black or white as `#RRGGBB`, whichever stands out more from a ground.

    By the contrast ratio of the W3C's Web Content Accessibility Guidelines 2.2.
    """
    values = [int(ground[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#FFFFFF"
