"""`~/face_poses`: where the faces are, from the camera's calibration and, where there is one, a depth image."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import Point, Pose, PoseArray, Quaternion
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from femo_jax.live.image import Box
from femo_jax.live.results import FrameResult
from femo_ros.camera_topic import offers, wants_reliable
from femo_ros.images import ImageError, decode_compressed_depth, decode_depth
from femo_ros.parameters import PositionConfig
from femo_ros.position import Camera, PositionError, camera_of, depth_of_face, position
from femo_ros.timing import Pairs, seconds_of

DEPTH = 5
"""Messages that the middleware keeps until the node takes them."""

_COMPRESSED = "/compressedDepth"


def info_topic(node: Any, prefix: str = "") -> str:
    """Return the topic of the calibration: what `camera_info` was remapped to, else beside the images.

    Args:
      node: whose remappings hold.
      prefix: of the names of the camera's topics, such as `front/`.
    """
    given = node.resolve_topic_name(f"{prefix}camera_info")
    if given != node.resolve_topic_name(f"{prefix}camera_info", only_expand=True):
        return given
    image = node.resolve_topic_name(f"{prefix}image").removesuffix("/compressed")
    return f"{image.rpartition('/')[0]}/camera_info"


def poses_message(header: Header, positions: Sequence[np.ndarray]) -> PoseArray:
    """Make the message of positions `[3]`; directions are not estimated, and stay those of the camera."""
    poses = [Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(w=1.0)) for x, y, z in positions]
    return PoseArray(header=header, poses=poses)


class FacePoses:
    """Publishes a pose for each face of each image, in the order of `~/faces`, while somebody subscribes.

    Until then neither calibration nor depth images are subscribed to. All methods belong to the executor's thread.
    """

    def __init__(self, node: LifecycleNode, publisher: Any, depth_transport: str, prefix: str = "") -> None:
        """Wait for a subscriber.

        Args:
          node: that publishes.
          publisher: of `~/face_poses`.
          depth_transport: of the depth images, `raw` or `compressedDepth`.
          prefix: of the names of the camera's topics, such as `front/`.
        """
        self._prefix = prefix
        self._depth_type = Image if depth_transport == "raw" else CompressedImage
        self._node = node
        self._publisher = publisher
        self._subscriptions: list[Any] = []
        self._reliable: tuple[bool, bool] | None = None
        self._info: CameraInfo | None = None
        self._camera: tuple[bool, Camera] | None = None  # made of `_info`, for images that are rectified or not
        self._pairs: Pairs[tuple[Header, FrameResult, PositionConfig], Image | CompressedImage] = Pairs()
        self._config = PositionConfig()
        self._problem = ""
        self._by_depth = self._by_width = self._unknown = 0

    @property
    def watched(self) -> bool:
        """Whether somebody subscribes."""
        return bool(self._subscriptions)

    @property
    def status(self) -> str:
        """What becomes of the poses, in a few words."""
        if not self._subscriptions:
            return "nobody subscribes"
        if self._problem:
            return self._problem
        if self._info is None:
            return f"no calibration on {info_topic(self._node, self._prefix)}"
        return f"{self._by_depth} from depth, {self._by_width} from face width, {self._unknown} unknown"

    def follow(self) -> None:
        """Subscribe where somebody wants poses, as the publishers offer it, and unsubscribe where nobody does."""
        if not self._publisher.get_subscription_count():
            self.rest()
            return
        topics = info_topic(self._node, self._prefix), self._depth_topic()
        info, depth = (wants_reliable("auto", offers(self._node.get_publishers_info_by_topic(each))) for each in topics)
        if self._reliable != (info, depth):
            self._unsubscribe()
            self._reliable = info, depth
            self._subscriptions = [
                self._node.create_subscription(CameraInfo, topics[0], self._take_info, _profile(info)),
                self._node.create_subscription(self._depth_type, topics[1], self._take_depth, _profile(depth)),
            ]
        self._send()

    def rest(self) -> None:
        """Unsubscribe; images that wait for their depth get no poses."""
        self._unsubscribe()
        self._info = self._camera = None
        self._pairs = Pairs()
        self._problem = ""

    def publish(self, header: Header, result: FrameResult, config: PositionConfig) -> None:
        """Publish the poses of a frame's faces, once the depth image of its time is there or known to be missing.

        Args:
          header: of the image.
          result: its faces.
          config: parameters `position.*`.
        """
        if self._subscriptions and self._info is not None:
            self._config = config
            self._pairs.put((header, result, config), seconds_of(header), time.monotonic())
            self._send()

    def _unsubscribe(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
        self._reliable = None

    def _depth_topic(self) -> str:
        topic = self._node.resolve_topic_name(f"{self._prefix}depth")
        return topic if self._depth_type is Image else f"{topic.removesuffix(_COMPRESSED)}{_COMPRESSED}"

    def _take_info(self, message: CameraInfo) -> None:
        self._info, self._camera = message, None

    def _take_depth(self, message: Image | CompressedImage) -> None:
        self._pairs.offer(message, seconds_of(message.header), time.monotonic())
        self._send()

    def _send(self) -> None:
        for (header, result, config), depth in self._pairs.take(self._config.max_offset_ms / 1000, time.monotonic()):
            try:
                camera = self._calibration(result, config.rectified)
            except PositionError as error:
                self._report(f"no face poses: {error}")
                continue
            distances = self._distances(depth)
            positions = [self._position(camera, distances, face.box, config) for face in result.faces]
            self._publisher.publish(poses_message(header, positions))

    def _calibration(self, result: FrameResult, rectified: bool) -> Camera:
        if self._camera is None or self._camera[0] != rectified:
            self._camera = rectified, camera_of(self._info, rectified)
        camera = self._camera[1]
        if (camera.width, camera.height) != (result.width, result.height):
            raise PositionError(
                f"{info_topic(self._node, self._prefix)} is about images of {camera.width}x{camera.height} pixels, but"
                f" these have {result.width}x{result.height}"
            )
        return camera

    def _distances(self, depth: Image | CompressedImage | None) -> np.ndarray | None:
        problem, distances = "", None
        if depth is not None:
            try:
                distances = _decoded(depth)
            except ImageError as error:
                problem = f"face poses without depth: {error}"
        self._report(problem)
        return distances

    def _position(self, camera: Camera, distances: np.ndarray | None, box: Box, config: PositionConfig) -> np.ndarray:
        depth = None if distances is None else depth_of_face(distances, box, (camera.width, camera.height))
        if depth is not None:
            self._by_depth += 1
        elif config.face_width:
            self._by_width += 1
        else:
            self._unknown += 1
        return position(camera, box, depth=depth, face_width=config.face_width)

    def _report(self, problem: str) -> None:
        """Log a problem once; empty where there is none any more."""
        if problem and problem != self._problem:
            self._node.get_logger().warning(problem)
        self._problem = problem


def _decoded(depth: Image | CompressedImage) -> np.ndarray:
    if isinstance(depth, CompressedImage):
        return decode_compressed_depth(depth.format, depth.data)
    shape = depth.height, depth.width, depth.step
    return decode_depth(depth.encoding, *shape, bool(depth.is_bigendian), depth.data)


def _profile(reliable: bool) -> QoSProfile:
    reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    return QoSProfile(depth=DEPTH, history=HistoryPolicy.KEEP_LAST, reliability=reliability)
