"""Finding faces in pictures and streams, and cutting them out; begin with `detector.py`."""
