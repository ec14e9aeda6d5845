"""What rclpy leaves to a lifecycle node: reporting errors of transitions, and refusing impossible requests."""

import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

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
