"""Recognising emotions live: from a frame of a camera, a clip or a picture to faces with an emotion each.

    picture -> detector, search -> tracks -> crop -> recognizer -> tracks -> drawing

It knows nothing of ROS, TensorFlow or the command line. Begin with `recognizer.py` for single pictures and with
`stream.py` for frames that follow each other.
"""
