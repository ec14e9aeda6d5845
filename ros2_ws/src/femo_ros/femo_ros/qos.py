"""Which quality of service the image subscription asks for, given what its publishers offer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

DEPTH = 5
"""Images that the middleware keeps until the node takes them: a few, since taking one only stores it."""

_UNKNOWN = "_NODE_NAME_UNKNOWN_"  # rmw's word for it

LATCHED = QoSProfile(
    depth=1,
    history=HistoryPolicy.KEEP_LAST,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
"""The last message is kept for those who subscribe later."""


@dataclass(frozen=True)
class Offer:
    """A publisher of images: its node, and whether it promises to deliver each one."""

    node: str
    reliable: bool

    def __str__(self) -> str:
        return f"{self.node} ({word(self.reliable)})"


def offers(publishers: Sequence[Any]) -> tuple[Offer, ...]:
    """The offers of a topic, in a fixed order.

    Args:
      publishers: what `Node.get_publishers_info_by_topic` gives.
    """
    found = [
        Offer(_node_of(publisher), publisher.qos_profile.reliability != ReliabilityPolicy.BEST_EFFORT)
        for publisher in publishers
    ]
    return tuple(sorted(found, key=str))


def _node_of(publisher: Any) -> str:
    """A publisher is known before its node is, and one that is no ROS node never has a name."""
    if publisher.node_name == _UNKNOWN:
        return "unknown node"
    return f"{publisher.node_namespace.rstrip('/')}/{publisher.node_name}"


def wants_reliable(mode: str, offered: Sequence[Offer]) -> bool:
    """Whether the subscription asks for reliable delivery.

    Large images over best effort are lost when one of their many packets is, so auto asks for reliable delivery
    wherever every publisher offers it, and also while there is none.

    Args:
      mode: parameter `image_qos`.
      offered: by the publishers that there are now.
    """
    return mode == "reliable" or (mode == "auto" and all(offer.reliable for offer in offered))


def unheard(reliable: bool, offered: Sequence[Offer]) -> list[Offer]:
    """The publishers whose images do not arrive, because they offer less than the subscription asks for."""
    return [offer for offer in offered if reliable and not offer.reliable]


def image_profile(reliable: bool) -> QoSProfile:
    """Of the image subscription: the newest few images, none from before it subscribed."""
    return QoSProfile(
        depth=DEPTH,
        history=HistoryPolicy.KEEP_LAST,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.VOLATILE,
    )


def word(reliable: bool) -> str:
    """As people and `ros2 topic info -v` call it."""
    return "reliable" if reliable else "best effort"
