"""femo on a robot: images of a camera's topic in, faces with their emotions out.

    emotion_recognizer.py   the node
    video_source.py         a stand-in for a camera's driver

All recognition is in the Python package femo_jax; here is what ROS needs round it.
"""
