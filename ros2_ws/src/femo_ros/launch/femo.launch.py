"""Starts emotion_recognizer on a camera's topic, and optionally a source of images and an image view.

    ros2 launch femo_ros femo.launch.py image:=/camera/image_raw rqt:=true

The recogniser is a lifecycle node that configures and activates itself (parameter `autostart`), so that a plain Node
action starts it in the same way on every distribution. Arguments that are not given leave the choice to `params_file`.
All arguments are checked before any node starts: what fails later would leave the nodes started before it running.
"""

import os
import re
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

BOOLEAN = ["", "true", "false"]

ARGUMENTS = (
    DeclareLaunchArgument(
        "image", default_value="image_raw", description="Topic of the camera's raw images, for compressed ones as well"
    ),
    DeclareLaunchArgument(
        "cameras",
        default_value="",
        description="Names of several cameras with commas between them; {camera} in image, camera_info and depth stands"
        " for each; empty: as in params_file",
    ),
    DeclareLaunchArgument(
        "image_transport",
        default_value="",
        choices=["", "raw", "compressed"],
        description="raw, or compressed for <image>/compressed; empty: as in params_file",
    ),
    DeclareLaunchArgument(
        "image_qos",
        default_value="",
        choices=["", "auto", "sensor_data", "reliable"],
        description="Reliability of the subscription: auto (as offered), sensor_data (best effort) or reliable;"
        " empty: as in params_file",
    ),
    DeclareLaunchArgument(
        "camera_info", default_value="", description="Topic of the camera's calibration; empty: beside the images"
    ),
    DeclareLaunchArgument(
        "depth", default_value="", description="Topic of depth images that are registered to the images; empty: depth"
    ),
    DeclareLaunchArgument(
        "model",
        default_value="",
        description="Name of a model that ships with femo, or a model file made by `femo export`; empty: as in"
        " params_file",
    ),
    DeclareLaunchArgument(
        "publish_hri",
        default_value="",
        choices=["", "auto", "true", "false"],
        description="Publish /humans/faces (REP-155), which only one node of a robot may do; empty: as in params_file",
    ),
    DeclareLaunchArgument(
        "autostart",
        default_value="",
        choices=BOOLEAN,
        description="Configure and activate at once; false: wait for a lifecycle manager; empty: as in params_file",
    ),
    DeclareLaunchArgument(
        "params_file",
        default_value=PathJoinSubstitution([FindPackageShare("femo_ros"), "config", "femo.yaml"]),
        description="YAML file with the parameters of the nodes",
    ),
    DeclareLaunchArgument(
        "namespace", default_value="", description="Namespace of the nodes; one for each where there are several"
    ),
    DeclareLaunchArgument("node_name", default_value="emotion_recognizer", description="Name of the recogniser's node"),
    DeclareLaunchArgument(
        "respawn",
        default_value="false",
        choices=["true", "false"],
        description="Start a node again two seconds after it has died",
    ),
    DeclareLaunchArgument(
        "source",
        default_value="",
        description="Camera number, clip, image or folder that video_source publishes as <image>; empty: none",
    ),
    DeclareLaunchArgument(
        "rate", default_value="", description="Images per second of video_source; empty: as in params_file"
    ),
    DeclareLaunchArgument(
        "width", default_value="", description="Width of video_source's images in pixels; empty: as in params_file"
    ),
    DeclareLaunchArgument(
        "height", default_value="", description="Height of video_source's images in pixels; empty: as in params_file"
    ),
    DeclareLaunchArgument(
        "qos",
        default_value="",
        choices=["", "reliable", "sensor_data"],
        description="Reliability of video_source's images; empty: as in params_file",
    ),
    DeclareLaunchArgument(
        "loop",
        default_value="true",
        choices=["true", "false"],
        description="Start video_source's clip or images again at their end; else the node ends",
    ),
    DeclareLaunchArgument(
        "web",
        default_value="",
        choices=BOOLEAN,
        description="Serve the annotated images and their faces as a web page; empty: as in params_file",
    ),
    DeclareLaunchArgument("web_port", default_value="", description="Port of the page; empty: as in params_file"),
    DeclareLaunchArgument(
        "rqt", default_value="false", choices=["true", "false"], description="Open rqt's view of the annotated images"
    ),
    DeclareLaunchArgument(
        "use_sim_time",
        default_value="",
        choices=BOOLEAN,
        description="Take the time from /clock, as in simulations; empty: as in params_file",
    ),
    DeclareLaunchArgument(
        "log_level",
        default_value="info",
        choices=["debug", "info", "warn", "error", "fatal"],
        description="Smallest severity that is logged: debug, info, warn, error or fatal",
    ),
)

TEXTS = ("image_transport", "image_qos", "model", "publish_hri")
NAMES = {"namespace": r"/?([A-Za-z_]\w*(/[A-Za-z_]\w*)*)?/?", "node_name": r"[A-Za-z_]\w*"}
NUMBERS = {"rate": float, "width": int, "height": int}
PORT = "web_port"
CAMERA = "{camera}"
TOPICS = ("image", "camera_info", "depth")


def generate_launch_description() -> LaunchDescription:
    """Make what `ros2 launch` runs."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start_nodes)])


def start_nodes(context: LaunchContext) -> list[Node]:
    """Make the nodes for the arguments as they were given.

    Raises:
      RuntimeError: an argument makes no sense, or needs a package that is not installed.
    """
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    check(given)
    clock = {"use_sim_time": given["use_sim_time"] == "true"} if given["use_sim_time"] else {}
    common = {
        "namespace": given["namespace"],
        "ros_arguments": ["--log-level", given["log_level"]],
        "output": "screen",
        "respawn": given["respawn"] == "true",
        "respawn_delay": 2.0,
    }
    cameras = names(given["cameras"])
    raw = raw_topic(given)

    chosen = {name: ParameterValue(given[name], value_type=str) for name in TEXTS if given[name]}
    if given["autostart"]:
        chosen["autostart"] = given["autostart"] == "true"
    if given["web"]:
        chosen["web"] = given["web"] == "true"
    if given[PORT]:
        chosen[PORT] = int(given[PORT])
    if cameras:
        chosen["cameras"] = cameras
    overrides = [{**clock, **chosen}] if clock or chosen else []
    nodes = [
        Node(
            package="femo_ros",
            executable="emotion_recognizer",
            name=given["node_name"],
            parameters=[given["params_file"], *overrides],
            remappings=[rule for camera in cameras or [""] for rule in remappings(given, camera)],
            **common,
        )
    ]
    if given["source"]:
        played = {
            "source": ParameterValue(given["source"], value_type=str),
            "loop": given["loop"] == "true",
            "compressed": True,  # costs nothing unless somebody subscribes
            **{name: number(given[name]) for name, number in NUMBERS.items() if given[name]},
        }
        if given["qos"]:
            played["qos"] = ParameterValue(given["qos"], value_type=str)
        nodes.append(
            Node(
                package="femo_ros",
                executable="video_source",
                name="video_source",
                parameters=[given["params_file"], {**clock, **played}],
                remappings=[("image_raw", raw), ("image_raw/compressed", f"{raw}/compressed")],
                **common,
            )
        )
    if given["rqt"] == "true":
        # PushRosNamespace of a launch file that includes this one leaves its namespace there for the nodes.
        pushed = LaunchConfiguration("ros_namespace", default="").perform(context)
        namespace = given["namespace"] if given["namespace"].startswith("/") else f"{pushed}/{given['namespace']}"
        root = f"/{namespace.strip('/')}".rstrip("/")
        nodes.append(
            Node(
                package="rqt_image_view",
                executable="rqt_image_view",
                name="femo_image_view",
                arguments=["/".join([root, given["node_name"], *cameras[:1], "image_annotated"])],
            )
        )
    return nodes


def names(cameras: str) -> list[str]:
    """Return the names in the argument `cameras`."""
    return [name.strip() for name in cameras.split(",")] if cameras else []


def raw_topic(given: dict[str, str]) -> str:
    """Return the topic of the raw images, `{camera}` in it as it was given."""
    return given["image"].removesuffix("/compressed") if given["image_transport"] == "compressed" else given["image"]


def remappings(given: dict[str, str], camera: str) -> list[tuple[str, str]]:
    """Return the rules for the topics of a camera, whose name is empty where it is the only one."""
    prefix = f"{camera}/" if camera else ""

    def topic(text: str) -> str:
        return text.replace(CAMERA, camera) if CAMERA in text else f"{prefix}{text}"

    raw = topic(raw_topic(given))
    others = [(f"{prefix}{name}", topic(given[name])) for name in TOPICS[1:] if given[name]]
    return [(f"{prefix}image", raw), (f"{prefix}image/compressed", f"{raw}/compressed"), *others]


def check_cameras(given: dict[str, str]) -> None:
    """Refuse names that the node would refuse, and topics that would be the same for all cameras."""
    cameras = names(given["cameras"])
    for name in cameras:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or "__" in name or cameras.count(name) > 1:
            raise RuntimeError(
                f"cameras:={given['cameras']}: expected different names of letters, digits and single underscores, not"
                " a digit first, such as front,rear"
            )
    if cameras and given["source"]:
        raise RuntimeError(f"source:={given['source']}: video_source plays one camera; leave out cameras or source")
    for argument in TOPICS:
        topic = given[argument]
        if CAMERA in topic and not cameras:
            raise RuntimeError(f"{argument}:={topic}: {CAMERA} stands for a name; give cameras")
        if cameras and topic.startswith(("/", "~")) and CAMERA not in topic:
            raise RuntimeError(f"{argument}:={topic}: all cameras would have this topic; expected {CAMERA} in it")


def check(given: dict[str, str]) -> None:
    """Refuse what would fail once nodes run."""
    check_cameras(given)
    if not Path(given["params_file"]).is_file():
        raise RuntimeError(f"params_file:={given['params_file']}: no such file")
    for name, pattern in NAMES.items():
        if not re.fullmatch(pattern, given[name]):
            raise RuntimeError(f"{name}:={given[name]}: expected letters, digits and underscores, not a digit first")
    for name, number in (*NUMBERS.items(), (PORT, int)):
        try:
            number(given[name] or 0)
        except ValueError:
            raise RuntimeError(f"{name}:={given[name]}: expected a number") from None
    packages = ["femo_ros", *(["rqt_image_view"] if given["rqt"] == "true" else [])]
    for package in packages:
        try:
            get_package_prefix(package)
        except PackageNotFoundError:
            distribution = os.environ.get("ROS_DISTRO", "$ROS_DISTRO")
            apt = f"sudo apt install ros-{distribution}-{package.replace('_', '-')}"
            reason = "rqt:=true needs it" if package == "rqt_image_view" else "build the workspace and source it"
            remedy = f": {apt}" if package == "rqt_image_view" else ""
            raise RuntimeError(f"package {package} is not installed; {reason}{remedy}") from None
