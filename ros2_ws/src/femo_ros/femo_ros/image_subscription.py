"""The node's subscription to its camera, made anew when the publishers' quality of service calls for it."""

from collections.abc import Callable
from typing import Any

from rclpy.node import Node

from femo_ros import qos

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # ROS 2 Humble
    from rclpy.qos_event import SubscriptionEventCallbacks


class ImageSubscription:
    """Follows the offers on one topic; its methods belong to the executor's thread.

    `follow` is to be called every half second or so: rclpy tells of a publisher that does not fit, but not of one that
    would fit better.
    """

    def __init__(self, node: Node, message_type: type, topic: str, mode: str, received: Callable[[Any], None]) -> None:
        """Subscribes.

        Args:
          node: to which the subscription belongs.
          message_type: `sensor_msgs.msg.Image` or `CompressedImage`.
          topic: relative or absolute; remapping applies.
          mode: parameter `image_qos`.
          received: called with each message.
        """
        self._node = node
        self._message_type = message_type
        self._topic = topic
        self._mode = mode
        self._received = received
        self._offers: tuple[qos.Offer, ...] = ()
        self._unheard: list[qos.Offer] = []
        self._warned_of: list[qos.Offer] = []
        self._find_offers()
        self._subscribe()

    @property
    def topic(self) -> str:
        """The topic's full name after remapping."""
        return self._subscription.topic_name

    @property
    def publishers(self) -> str:
        """Who publishes and what is asked of them, in a few words."""
        if not self._offers:
            return "no publisher"
        unheard = qos.unheard(self._reliable, self._offers)
        asks = f"; incompatible: the node asks for {qos.word(self._reliable)}" if unheard else ""
        return f"{', '.join(map(str, self._offers))}{asks}"

    def follow(self, mode: str | None = None) -> None:
        """Looks at the offers, subscribes anew where they or `mode` call for that, and tells what does not fit."""
        self._mode = mode or self._mode
        self._adapt()
        self._warn_of_unheard()

    def close(self) -> None:
        """No message arrives any more."""
        self._node.destroy_subscription(self._subscription)

    def _adapt(self) -> None:
        self._find_offers()
        if qos.wants_reliable(self._mode, self._offers) != self._reliable:
            self.close()
            self._subscribe()
            self._node.get_logger().info(
                f"{self.topic}: now {qos.word(self._reliable)} (image_qos {self._mode}), offered by {self.publishers}"
            )

    def _find_offers(self) -> None:
        self._offers = qos.offers(self._node.get_publishers_info_by_topic(self._topic))

    def _subscribe(self) -> None:
        self._reliable = qos.wants_reliable(self._mode, self._offers)
        self._subscription = self._node.create_subscription(
            self._message_type,
            self._topic,
            self._received,
            qos.image_profile(self._reliable),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=lambda _event: self._adapt()),
        )

    def _warn_of_unheard(self) -> None:
        """Once for each set of publishers, when it is seen for the second time: their nodes' names come late."""
        unheard = qos.unheard(self._reliable, self._offers)
        if unheard == self._unheard and unheard != self._warned_of:
            self._warned_of = unheard
            if unheard:
                self._node.get_logger().warning(
                    f"{self.topic}: no image from {', '.join(map(str, unheard))}, because this node asks for reliable"
                    f" delivery (image_qos {self._mode}). Set image_qos to auto or sensor_data."
                )
        self._unheard = unheard
