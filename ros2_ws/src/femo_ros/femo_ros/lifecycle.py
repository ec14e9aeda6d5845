"""What rclpy leaves to a lifecycle node: errors of transitions, impossible requests, a bond with its manager."""

import traceback
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from femo_jax.errors import FemoError

Transition = Callable[[Any, Any], TransitionCallbackReturn]


def report_errors(transition: Transition) -> Transition:
    """Report errors of a transition callback; rclpy turns them into the error state without a log line.

    The node is given the text through its method `fail`: one sentence where the user can fix it (FemoError), the
    traceback with it where not.
    """

    @wraps(transition)
    def guarded(node: Any, state: Any) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except FemoError as error:
            node.fail(f"{transition.__name__}: {error}")
        except Exception as error:
            node.fail(f"{transition.__name__}: {type(error).__name__}: {error}", traceback.format_exc())
        return TransitionCallbackReturn.ERROR

    return guarded


def refuse_invalid_transitions(node: LifecycleNode) -> None:
    """Keep a client that asks for a transition which the state does not allow from ending the node.

    The callback of service `~/change_state` lets the error out of `spin` in Humble and in Jazzy at least up to
    rclpy 7.1.6 (https://github.com/ros2/rclpy/issues/1209). Where rclpy refuses by itself, the guard never acts;
    where it keeps its service elsewhere, there is none.
    """
    service: Any = getattr(node, "_service_change_state", None)
    if not hasattr(service, "callback"):
        return
    change_state = service.callback

    def change_state_or_refuse(request: Any, response: Any) -> Any:
        try:
            return change_state(request, response)
        except RuntimeError as error:  # rclpy's RCLError is one
            asked = request.transition.label or request.transition.id
            node.get_logger().warning(f"Transition {asked} refused: {error}")
            response.success = False
            return response

    service.callback = change_state_or_refuse


BOND_TOPIC = "/bond"
BOND_PERIOD_SECONDS = 0.1
FAREWELL_SECONDS = 1.0  # at most, where the other side is gone


class Bond:
    """The node's side of a bond with a lifecycle manager, which breaks when the process dies.

    Messages of package `bond`, as bondcpp exchanges them: both sides publish heartbeats under the same id, which for
    nav2's lifecycle manager is the node's name.
    """

    def __init__(self, node: Any, bond_msgs: Any, timeout: float) -> None:
        """Begin to publish heartbeats; for the executor's thread, as `close`.

        Args:
          node: that is bonded.
          bond_msgs: the module `bond.msg`.
          timeout: seconds without a heartbeat after which the other side takes the bond for broken.
        """
        self._node = node
        self._status = bond_msgs.Status(
            id=node.get_name(),
            instance_id=str(uuid.uuid4()),
            active=True,
            heartbeat_timeout=timeout,
            heartbeat_period=BOND_PERIOD_SECONDS,
        )
        self._publisher = node.create_publisher(bond_msgs.Status, BOND_TOPIC, 10)
        self._timer = node.create_timer(BOND_PERIOD_SECONDS, self._beat, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._beat()

    def close(self) -> None:
        """Tell the other side that the bond ends on purpose."""
        self._node.destroy_timer(self._timer)
        self._status.active = False
        self._beat()
        # A thread of Fast DDS's own sends it: without waiting, the publisher would be gone before.
        self._publisher.wait_for_all_acked(Duration(seconds=FAREWELL_SECONDS))
        self._node.destroy_publisher(self._publisher)

    def _beat(self) -> None:
        self._status.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(self._status)
