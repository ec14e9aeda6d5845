"""Starts emotion_recognizer on a camera's topic, and if asked to a source of images and an image view.

    ros2 launch femo_ros femo.launch.py image:=/camera/image_raw rqt:=true

The recogniser is a lifecycle node that configures and activates itself (parameter `autostart`), so that a plain Node
action starts it in the same way on every distribution. Arguments that are not given leave the choice to `params_file`.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

ARGUMENTS = (
    DeclareLaunchArgument(
        "image", default_value="image_raw", description="Topic of the camera's raw images, for compressed ones as well"
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
        "model", default_value="", description="Model file made by `femo export`; empty: as in params_file"
    ),
    DeclareLaunchArgument(
        "publish_hri",
        default_value="",
        choices=["", "auto", "true", "false"],
        description="Publish /humans/faces (REP-155), which only one node of a robot may do; empty: as in params_file",
    ),
    DeclareLaunchArgument(
        "params_file",
        default_value=PathJoinSubstitution([FindPackageShare("femo_ros"), "config", "femo.yaml"]),
        description="YAML file with the parameters of the recogniser",
    ),
    DeclareLaunchArgument(
        "namespace", default_value="", description="Namespace of the nodes; one for each camera where there are several"
    ),
    DeclareLaunchArgument(
        "source",
        default_value="",
        description="Camera number, clip, picture or folder that video_source publishes as <image>; empty: none",
    ),
    DeclareLaunchArgument(
        "rqt", default_value="false", choices=["true", "false"], description="Open rqt's view of the annotated images"
    ),
    DeclareLaunchArgument(
        "use_sim_time",
        default_value="",
        choices=["", "true", "false"],
        description="Take the time from /clock, as in simulations; empty: as in params_file",
    ),
    DeclareLaunchArgument(
        "log_level", default_value="info", description="Smallest severity that is logged: debug, info, warn or error"
    ),
)


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` runs."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start_nodes)])


def start_nodes(context: LaunchContext) -> list[Node]:
    """The nodes for the arguments as they were given."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    clock = {"use_sim_time": given["use_sim_time"] == "true"} if given["use_sim_time"] else {}
    chosen = {
        name: ParameterValue(given[name], value_type=str)
        for name in ("image_transport", "image_qos", "model", "publish_hri")
        if given[name]
    }
    overrides = [{**clock, **chosen}] if clock or chosen else []
    common = {
        "namespace": given["namespace"],
        "ros_arguments": ["--log-level", given["log_level"]],
        "output": "screen",
    }

    nodes = [
        Node(
            package="femo_ros",
            executable="emotion_recognizer",
            name="emotion_recognizer",
            parameters=[given["params_file"], *overrides],
            remappings=[("image", given["image"]), ("image/compressed", f"{given['image']}/compressed")],
            **common,
        )
    ]
    if given["source"]:
        nodes.append(
            Node(
                package="femo_ros",
                executable="video_source",
                name="video_source",
                parameters=[
                    {
                        **clock,
                        "source": ParameterValue(given["source"], value_type=str),
                        "loop": True,
                        "compressed": True,  # costs nothing unless somebody subscribes
                    }
                ],
                remappings=[("image_raw", given["image"]), ("image_raw/compressed", f"{given['image']}/compressed")],
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
                arguments=[f"{root}/emotion_recognizer/image_annotated"],
            )
        )
    return nodes
