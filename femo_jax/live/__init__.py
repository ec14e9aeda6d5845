"""Recognising emotions live: from a frame of a camera, a clip or an image to faces with an emotion each.

    image -> detector, search -> tracks -> crop -> recognizer -> tracks -> drawing

It knows nothing of ROS, TensorFlow or the command line. Begin with `recognizer.py` for single images and with
`stream.py` for frames that follow each other.
"""
