"""Faces and their emotions drawn on a frame; begin with `draw.py`."""
