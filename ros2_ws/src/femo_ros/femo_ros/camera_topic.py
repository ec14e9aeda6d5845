"""The node's subscription to its camera: quality of service and message type are compared with what is published."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image

from femo_jax.errors import ConfigError

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # ROS 2 Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

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

TYPES = {"raw": Image, "compressed": CompressedImage}
"""Message type of each value of parameter `image_transport`."""

_TYPE_NAMES = {"raw": "sensor_msgs/msg/Image", "compressed": "sensor_msgs/msg/CompressedImage"}
_SUFFIX = "/compressed"


@dataclass(frozen=True)
class Offer:
    """A publisher on the image topic.

    Attributes:
      node: full name of its node.
      reliable: whether it offers reliable delivery.
      topic_type: of its messages, such as `sensor_msgs/msg/Image`.
    """

    node: str
    reliable: bool
    topic_type: str = _TYPE_NAMES["raw"]

    def __str__(self) -> str:
        return f"{self.node} ({word(self.reliable)})"


def offers(publishers: Sequence[Any]) -> tuple[Offer, ...]:
    """Return the offers of a topic, in a fixed order.

    Args:
      publishers: what `Node.get_publishers_info_by_topic` gives.
    """
    found = [
        Offer(
            _node_of(publisher),
            publisher.qos_profile.reliability != ReliabilityPolicy.BEST_EFFORT,
            publisher.topic_type,
        )
        for publisher in publishers
    ]
    return tuple(sorted(found, key=str))


def _node_of(publisher: Any) -> str:
    """A publisher is known before its node is, and one that is no ROS node never has a name."""
    if publisher.node_name == _UNKNOWN:
        return "unknown node"
    return f"{publisher.node_namespace.rstrip('/')}/{publisher.node_name}"


def wants_reliable(mode: str, offered: Sequence[Offer]) -> bool:
    """Return whether the subscription asks for reliable delivery.

    Large images over best effort are lost when one of their many packets is, so auto asks for reliable delivery
    wherever every publisher offers it, and also while there is none.

    Args:
      mode: parameter `image_qos`.
      offered: by the publishers that there are now.
    """
    return mode == "reliable" or (mode == "auto" and all(offer.reliable for offer in offered))


def unheard(reliable: bool, offered: Sequence[Offer]) -> list[Offer]:
    """Return the publishers whose images do not arrive, because they offer less than the subscription asks for."""
    return [offer for offer in offered if reliable and not offer.reliable]


def type_problem(transport: str, topic: str, offered: Sequence[Offer], other: Sequence[Offer] = ()) -> str:
    """Describe publishers of the wrong message type and the remedy; empty where there are none, or also right ones.

    Args:
      transport: parameter `image_transport`.
      topic: of the subscription.
      offered: by the publishers there.
      other: by the publishers of the topic that the other transport would use.
    """
    wanted = _TYPE_NAMES[transport]
    swapped = "compressed" if transport == "raw" else "raw"
    remedy = f"set image_transport:={swapped}"
    if any(offer.topic_type == wanted for offer in offered):
        return ""
    if offered:
        publisher = offered[0]
        published = publisher.topic_type
        advice = remedy if published == _TYPE_NAMES[swapped] else f"choose a topic of {_short(wanted)}"
        return (
            f"{publisher.node} publishes {_short(published)}, this node subscribes to {_short(wanted)} on {topic};"
            f" {advice}"
        )
    if any(offer.topic_type == _TYPE_NAMES[swapped] for offer in other):
        return f"no publisher, but {other[0].node} publishes {_short(other[0].topic_type)} beside it; {remedy}"
    return ""


def _short(topic_type: str) -> str:
    return topic_type.rpartition("/")[2] if topic_type.startswith("sensor_msgs/") else topic_type


def image_topic(base: str, transport: str) -> str:
    """Return the topic for a transport: compressed images are beside the raw ones, by image_transport's convention."""
    return base if transport == "raw" or base.endswith(_SUFFIX) else f"{base}{_SUFFIX}"


def _other_topic(base: str, transport: str) -> str:
    return f"{base}{_SUFFIX}" if transport == "raw" else base.removesuffix(_SUFFIX)


def image_profile(reliable: bool) -> QoSProfile:
    """Return the profile of the image subscription: the newest few images, none from before it subscribed."""
    return QoSProfile(
        depth=DEPTH,
        history=HistoryPolicy.KEEP_LAST,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.VOLATILE,
    )


_POLICIES = {
    QoSPolicyKind.HISTORY: ("keep_last", "keep_all"),
    QoSPolicyKind.DEPTH: (),
    QoSPolicyKind.RELIABILITY: ("reliable", "best_effort"),
    QoSPolicyKind.DURABILITY: ("volatile", "transient_local"),
}


def qos_overrides(node: Any, topic: str) -> dict[QoSPolicyKind, Any]:
    """Return the values of parameters `qos_overrides.<topic>.subscription.<policy>` that the node was given.

    Raises:
      ConfigError: there is no such policy, or it has no such value.
    """
    prefix = f"qos_overrides.{topic}.subscription"
    found = {}
    for name, parameter in sorted(node.get_parameters_by_prefix(prefix).items()):
        policies = {kind.name.lower(): kind for kind in _POLICIES}
        if name not in policies:
            raise ConfigError(f"{prefix}.{name}: no such policy; expected one of {', '.join(policies)}.")
        choices = _POLICIES[policies[name]]
        if (choices and parameter.value not in choices) or (not choices and not isinstance(parameter.value, int)):
            expected = f"one of {', '.join(choices)}" if choices else "a number"
            raise ConfigError(f"{prefix}.{name} is {parameter.value!r}; expected {expected}.")
        found[policies[name]] = parameter.value
    return found


def word(reliable: bool) -> str:
    """Name a reliability as `ros2 topic info -v` and people do."""
    return "reliable" if reliable else "best effort"


class ImageSubscription:
    """Follows the publishers of one topic; its methods belong to the executor's thread.

    `follow` is to be called every half second or so: rclpy reports a publisher that does not fit, but not one that
    would fit better.
    """

    def __init__(
        self, node: Node, transport: str, mode: str, received: Callable[[Any], None], name: str = "image"
    ) -> None:
        """Subscribe.

        Args:
          node: to which the subscription belongs.
          transport: parameter `image_transport`.
          mode: parameter `image_qos`.
          received: called with each message.
          name: of the raw images' topic, before remapping.
        """
        self._node = node
        self._transport = transport
        base = node.resolve_topic_name(name)  # wherever the raw images were remapped to
        # A relative name, so that a remapping of `image/compressed` itself applies as well.
        self._topic = name if transport == "raw" else image_topic(base, transport)
        self._other = _other_topic(base, transport)
        self._mode = mode
        self._received = received
        self._offers: tuple[Offer, ...] = ()
        self._unheard: list[Offer] = []
        self._warned_of: list[Offer] = []
        self._problem = self._warned_of_problem = ""
        self._overrides = qos_overrides(node, node.resolve_topic_name(self._topic))
        if self._overrides:
            named = ", ".join(f"{policy.name.lower()} {value}" for policy, value in self._overrides.items())
            node.get_logger().info(f"{node.resolve_topic_name(self._topic)}: qos_overrides apply: {named}")
        self._find_offers()
        self._subscribe()

    @property
    def topic(self) -> str:
        """The topic's full name after remapping."""
        return self._subscription.topic_name

    @property
    def publishers(self) -> str:
        """Who publishes and what does not fit, in a few words."""
        if self._problem:
            return self._problem
        if not self._offers:
            return "no publisher"
        incompatible = unheard(self._reliable, self._offers)
        asks = f"; incompatible: the node asks for {word(self._reliable)}" if incompatible else ""
        return f"{', '.join(map(str, self._offers))}{asks}"

    def follow(self, mode: str | None = None) -> None:
        """Look at the publishers, subscribe again where they or `mode` require that, and log what does not fit."""
        if mode and mode != self._mode:
            self._node.get_logger().info(f"{self.topic}: image_qos is now {mode}")
        self._mode = mode or self._mode
        self._adapt()
        self._warn_of_unheard()
        self._warn_of_type()

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)

    def _adapt(self) -> None:
        self._find_offers()
        if self._wants_reliable() != self._reliable:
            self.close()
            self._subscribe()
            self._node.get_logger().info(
                f"{self.topic}: now {word(self._reliable)} (image_qos {self._mode}), offered by {self.publishers}"
            )

    def _find_offers(self) -> None:
        self._offers = offers(self._node.get_publishers_info_by_topic(self._topic))
        # DDS matches no publisher of another type.
        other = () if self._offers else offers(self._node.get_publishers_info_by_topic(self._other))
        self._problem = type_problem(self._transport, self._node.resolve_topic_name(self._topic), self._offers, other)

    def _wants_reliable(self) -> bool:
        """As the parameter `image_qos` has it, unless there is an override."""
        override = self._overrides.get(QoSPolicyKind.RELIABILITY)
        return wants_reliable(self._mode, self._offers) if override is None else override != "best_effort"

    def _subscribe(self) -> None:
        self._reliable = self._wants_reliable()
        options = QoSOverridingOptions(self._overrides) if self._overrides else None
        self._subscription = self._node.create_subscription(
            TYPES[self._transport],
            self._topic,
            self._received,
            image_profile(self._reliable),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=lambda _event: self._adapt()),
            qos_overriding_options=options,
        )

    def _warn_of_unheard(self) -> None:
        """Once for each set of publishers, when it is seen for the second time: their nodes' names come late."""
        incompatible = unheard(self._reliable, self._offers)
        if incompatible == self._unheard and incompatible != self._warned_of:
            self._warned_of = incompatible
            if incompatible:
                self._node.get_logger().warning(
                    f"{self.topic}: no image from {', '.join(map(str, incompatible))}, because this node asks for"
                    f" reliable delivery (image_qos {self._mode}). Set image_qos to auto or sensor_data."
                )
        self._unheard = incompatible

    def _warn_of_type(self) -> None:
        """Once for each problem."""
        if self._problem and self._problem != self._warned_of_problem and "unknown node" not in self._problem:
            self._node.get_logger().warning(f"{self.topic}: no image, because {self._problem}")
            self._warned_of_problem = self._problem
