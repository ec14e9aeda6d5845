"""The least that a node in Python can do with an image: copy it, and answer with its header. For ros.py."""

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

DEPTH = 5  # as emotion_recognizer's


def main() -> None:
    """Runs until a signal."""
    rclpy.init()
    node = rclpy.create_node("floor")
    answers = node.create_publisher(Header, "~/headers", 10)

    def answer(message: Image) -> None:
        np.frombuffer(message.data, np.uint8).copy()
        answers.publish(message.header)

    node.create_subscription(Image, "image", answer, QoSProfile(depth=DEPTH))
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
