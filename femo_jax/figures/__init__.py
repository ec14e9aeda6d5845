"""Figures of femo, drawn with matplotlib: the one package that imports it. Begin with `style.py`."""
