"""The same face from frame to frame, with a steady box and emotion; begin with `tracks.py`."""
