"""Playing a source in a window or without one; begin with `player.py`."""
