"""Figures of femo, drawn with matplotlib: the one package that imports it. Begin with `style.py`."""

import logging

# Its note that it builds a font cache, at the first use in a home folder, would stand before messages of femo.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
