"""The node: images in, the faces in them and their emotions out.

    unconfigured ── configure ──> inactive ── activate ──> active
                  loads the model,         subscribes
                  makes publishers

The executor's thread only stores images; a worker takes the newest one of each camera, recognises and publishes
(`pipeline.py`). A single camera is one whose name is empty.
"""

import itertools
import time
from collections import defaultdict
from contextlib import suppress
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import SetBool

from femo_jax.errors import ConfigError, FemoError
from femo_ros import parameters
from femo_ros.camera_pipeline import Received
from femo_ros.camera_topic import ImageSubscription
from femo_ros.diagnostics import Condition, diagnostics
from femo_ros.hri_expressions import ExpressionPipeline, HriFaces
from femo_ros.lifecycle import Bond, refuse_invalid_transitions, report_errors
from femo_ros.messages import messages_of
from femo_ros.parameter_table import declare
from femo_ros.pipeline import Pipeline
from femo_ros.statistics import Statistics
from femo_ros.worker import NewestWins

REPORT_SECONDS = 1.0
FOLLOW_SECONDS = 0.5
EXPIRE_SECONDS = 0.1


class EmotionRecognizerNode(LifecycleNode):
    """Recognises the emotions of the faces on the topics of one or several cameras."""

    def __init__(self, **arguments: Any) -> None:
        """Declare the parameters; with `autostart`, configure and activate as soon as the node spins.

        Args:
          **arguments: for `LifecycleNode`.

        Raises:
          rclpy.exceptions.ParameterException: a parameter was given a value of another type or out of its range.
          ConfigError: a value is not possible for another reason, or has the name of an earlier version.
        """
        try:
            super().__init__("emotion_recognizer", automatically_declare_parameters_from_overrides=True, **arguments)
        except ValueError as error:  # of rclpy, which takes an empty list for no value
            if "NOT_SET" not in str(error):
                raise
            raise ConfigError(f"a parameter has no value: {error}. Leave it out; no cameras are [''].") from error
        refuse_invalid_transitions(self)

        self._state = "unconfigured"
        self._error = ""
        self._enabled = True
        self._pipeline: Pipeline | ExpressionPipeline | None = None  # while configured
        self._worker: NewestWins[Received] | None = None  # while active and enabled
        self._inputs: dict[str, ImageSubscription | HriFaces] = {}  # while active and enabled
        self._bond: Bond | None = None  # while active
        self._statistics = defaultdict[str, Statistics](lambda: Statistics(time.monotonic()))  # by camera
        self._numbers = itertools.count(1)  # of tracks, never used twice in the life of the process

        others = [each.name for each in parameters.VIDEO_SOURCE]
        declare(self, parameters.recognizer_parameters(), parameters.RENAMED, others)
        self.add_on_set_parameters_callback(self._change_parameters)

        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_service(SetBool, "~/set_enabled", self._set_enabled)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time may stand still
        self.create_timer(REPORT_SECONDS, self._report, clock=steady)
        self.create_timer(FOLLOW_SECONDS, self._follow, clock=steady)
        self.create_timer(EXPIRE_SECONDS, self._expire, clock=steady)
        self._starting = self._settings().node.autostart
        if self._starting:
            self._starter = self.create_timer(0.0, self._start, clock=steady)

    # Lifecycle

    def _start(self) -> None:
        """Configure, and activate the next time, so that a signal in between is heard; others may come first."""
        if self._starting and self._state == "unconfigured":
            self._starting = False
            if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
                return
        elif self._state == "inactive" and not self._starting:
            self.trigger_activate()
        self._starter.cancel()

    @report_errors
    def on_configure(self, state: Any) -> TransitionCallbackReturn:
        """Load the model, warm it up and make the publishers."""
        self._error = ""
        self.get_logger().info("Configuring: loading the model")
        began = time.monotonic()
        settings = self._settings()
        if settings.node.faces_from == "hri":
            self._pipeline = ExpressionPipeline(self, settings, self._statistics[""])
        else:
            self._pipeline = Pipeline(self, settings, self._statistics, self._numbers)
        self._state = "inactive"
        self.get_logger().info(f"Configured: {self._model_name()}, in {time.monotonic() - began:.1f} s")
        return super().on_configure(state)

    @report_errors
    def on_activate(self, state: Any) -> TransitionCallbackReturn:
        """Subscribe to the cameras."""
        self._state = "active"
        enabled = super().on_activate(state)  # the publishers
        if self._enabled:
            self._listen()
        timeout = self._settings().node.bond_timeout
        bond_msgs = messages_of("bond", "bond_timeout", "auto") if timeout else None
        self._bond = Bond(self, bond_msgs, timeout) if bond_msgs else None
        return enabled

    @report_errors
    def on_deactivate(self, state: Any) -> TransitionCallbackReturn:
        """Unsubscribe; the model stays."""
        self._rest()
        self.get_logger().info("Deactivated: no images are taken, the model stays loaded")
        return super().on_deactivate(state)

    @report_errors
    def on_cleanup(self, state: Any) -> TransitionCallbackReturn:
        """Free the model and end the topics."""
        self._release()
        self.get_logger().info("Cleaned up: the model is freed")
        return super().on_cleanup(state)

    @report_errors
    def on_shutdown(self, state: Any) -> TransitionCallbackReturn:
        """Free everything, for good."""
        self._release()
        self._state = "finalized"
        return super().on_shutdown(state)

    @report_errors
    def on_error(self, state: Any) -> TransitionCallbackReturn:
        """Free everything, so that the node can be configured again once the cause is fixed."""
        self._release()
        return super().on_error(state)

    def fail(self, why: str, details: str = "") -> None:
        """Note why a transition failed."""
        self._error = why
        self.get_logger().error(f"{why}\n{details}" if details else why)

    def end(self) -> None:
        """Finalize the node, if its state allows for that, and destroy it."""
        with suppress(RuntimeError):  # finalized already
            self.trigger_shutdown()
        self.destroy_node()

    def _rest(self) -> None:
        self._stop_listening()
        if self._bond:
            self._bond.close()
            self._bond = None
        self._state = "inactive"

    def _release(self) -> None:
        self._rest()
        if self._pipeline:
            self._pipeline.close()
            self._pipeline = None
        self._state = "unconfigured"

    # Images

    def _listen(self) -> None:
        assert self._pipeline is not None
        self._pipeline.begin()
        self._worker = self._pipeline.worker()
        config = self._settings().node
        for name in config.camera_names:
            self._statistics[name].listen(time.monotonic())
            received = partial(self._receive, name)
            if isinstance(self._pipeline, ExpressionPipeline):
                subscription = HriFaces(self, self._pipeline, config.hri_crop, received)
            else:
                topic = f"{name}/image" if name else "image"
                subscription = ImageSubscription(self, config.image_transport, config.image_qos, received, topic)
            self._inputs[name] = subscription
            self.get_logger().info(f"Listening to {subscription.topic}: {subscription.publishers}")

    def _stop_listening(self) -> None:
        """Unsubscribe; afterwards no result is published any more, and the faces are withdrawn."""
        for subscription in self._inputs.values():
            subscription.close()
        self._inputs.clear()
        if self._worker and self._pipeline:
            self._worker.close()
            self._worker = None
            self._pipeline.end()
        for statistics in self._statistics.values():
            statistics.stop_listening()

    def _follow(self) -> None:
        for subscription in self._inputs.values():
            subscription.follow()
        if self._inputs and self._pipeline:
            self._pipeline.follow()

    def _expire(self) -> None:
        if self._inputs and self._pipeline:
            self._pipeline.expire(time.monotonic())

    def _receive(self, camera: str, message: Image | CompressedImage, face: str = "") -> None:
        """Store an image, or the crop of a face, and nothing more."""
        if self._worker:
            now, source = time.monotonic(), face or camera
            dropped = self._worker.put(Received(message, now, source), source)
            self._statistics[camera].received(now, dropped)

    # Services, parameters, diagnostics

    def _set_enabled(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Pause or resume; while the node is not active, this holds from its activation on."""
        if request.data != self._enabled:
            self.get_logger().info(f"{'Resumed' if request.data else 'Paused'} by ~/set_enabled")
        self._enabled = request.data
        if not self._enabled:
            self._stop_listening()
        elif self._state == "active" and not self._inputs:
            self._listen()
        response.success = True
        response.message = f"{'enabled' if self._enabled else 'paused'}, {self._state}"
        return response

    def _settings(self, changes: list[Parameter] | None = None) -> parameters.Settings:
        """The parameters as they are, or as they would be with changes."""
        values = {each.name: self.get_parameter(each.name).value for each in parameters.recognizer_parameters()}
        values.update({change.name: change.value for change in changes or []})
        return parameters.settings(values)

    def _change_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        """Check changes as a whole and apply them.

        It is the last to be asked, so that what it accepts is set; Humble has no callback for afterwards.
        """
        try:
            after = self._settings(changes)
            if self._pipeline:
                parameters.refuse_while_configured(self._settings(), after)
                self._pipeline.change(after)
        except FemoError as error:
            return SetParametersResult(successful=False, reason=str(error))
        for subscription in self._inputs.values():
            subscription.follow(after.node.image_qos)
        return SetParametersResult(successful=True)

    def _report(self) -> None:
        settings, now = self._settings(), time.monotonic()
        cameras = [
            (self._condition(name, settings), self._statistics[name].report(now)) for name in settings.node.camera_names
        ]
        stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(diagnostics(self.get_fully_qualified_name()[1:], stamp, cameras))

    def _condition(self, camera: str, settings: parameters.Settings) -> Condition:
        subscription = self._inputs.get(camera)
        return Condition(
            state=self._state,
            error=self._error,
            enabled=self._enabled,
            topic=subscription.topic if subscription else "",
            publishers=subscription.publishers if subscription else "",
            model=self._model_name(),
            detector=settings.detector.kind,
            face_poses=self._pipeline.face_poses(camera) if self._pipeline else "",
            limits=settings.diagnostics,
            camera=camera,
        )

    def _model_name(self) -> str:
        return self._pipeline.model_name if self._pipeline else ""
