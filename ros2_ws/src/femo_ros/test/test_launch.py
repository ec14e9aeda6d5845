"""The launch files: what they start for which arguments, and that the XML one is the twin of the Python one.

Where `launch` is installed, the Python file is loaded by it as well.
"""

import importlib.util
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest


def load(path):
    """The module of a file that no import statement finds."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


launch_api = load(Path(__file__).with_name("launch_api.py"))
ParameterValue = launch_api.ParameterValue

FOLDER = Path(__file__).parent.parent / "launch"
EXPECTED = {
    "image",
    "cameras",
    "image_transport",
    "image_qos",
    "camera_info",
    "depth",
    "model",
    "publish_hri",
    "autostart",
    "params_file",
    "namespace",
    "node_name",
    "respawn",
    "source",
    "rate",
    "width",
    "height",
    "qos",
    "loop",
    "web",
    "web_port",
    "rqt",
    "use_sim_time",
    "log_level",
}
ALL = frozenset({"femo_ros", "rqt_image_view"})


@pytest.fixture
def load_launch_file(monkeypatch):
    """A function that gives the module femo.launch.py, on a robot with these packages."""

    def load_it(packages=ALL):
        for name, module in launch_api.modules(packages).items():
            monkeypatch.setitem(sys.modules, name, module)
        return load(FOLDER / "femo.launch.py")

    return load_it


@pytest.fixture
def declared(load_launch_file):
    """The declared arguments by name."""
    *arguments, _ = load_launch_file().generate_launch_description().entities
    return {argument.name: argument for argument in arguments}


@pytest.fixture
def params_file(tmp_path):
    """The path of a parameter file."""
    path = tmp_path / "femo.yaml"
    path.write_text("")
    return str(path)


@pytest.fixture
def launched(load_launch_file, params_file):
    """A function of installed packages and arguments: the nodes that run, and the error if there was one."""

    def launch(packages=ALL, **given):
        running = launch_api.Launch(packages, **{"params_file": params_file, **given})
        error = None
        try:
            running.run(load_launch_file(packages).generate_launch_description())
        except Exception as raised:
            error = raised
        return running.started, error

    return launch


@pytest.fixture
def started(launched):
    """A function of arguments that gives the started nodes by executable."""

    def start(**given):
        nodes, error = launched(**given)
        assert error is None, error
        return {node.executable: node for node in nodes}

    return start


def test_every_argument_is_described(declared):
    """And has a default, so that nothing must be given."""
    assert declared.keys() == EXPECTED
    for name, argument in declared.items():
        assert argument.default_value is not None, name
        assert len(argument.description) > 20, name


def test_params_file_is_the_shipped_one(declared):
    """By default, and it is there."""
    join = declared["params_file"].default_value.substitutions
    assert join[0].package == "femo_ros"
    assert (FOLDER.parent / Path(*join[1:])).is_file()


def test_alone_it_starts_the_recogniser(started, params_file):
    """With the parameter file and nothing that overrides it."""
    nodes = started()
    assert nodes.keys() == {"emotion_recognizer"}
    node = nodes["emotion_recognizer"]
    assert (node.package, node.name, node.namespace) == ("femo_ros", "emotion_recognizer", "")
    assert node.parameters == [params_file]
    assert not node.respawn
    assert node.ros_arguments == ["--log-level", "info"]
    assert node.output == "screen"


def test_calibration_and_depth_are_remapped_where_they_are_given(started):
    """Elsewhere the node finds the calibration beside the images."""
    remappings = started(camera_info="/rgb/camera_info", depth="/aligned/depth")["emotion_recognizer"].remappings
    assert remappings[2:] == [("camera_info", "/rgb/camera_info"), ("depth", "/aligned/depth")]
    assert len(started()["emotion_recognizer"].remappings) == 2


def test_the_camera_is_remapped_with_its_compressed_topic(started):
    """One argument for both."""
    node = started(image="/camera/image_raw")["emotion_recognizer"]
    assert node.remappings == [
        ("image", "/camera/image_raw"),
        ("image/compressed", "/camera/image_raw/compressed"),
    ]


@pytest.mark.parametrize(
    ("image", "front", "rear"),
    [
        ("/{camera}/color/image_raw", "/front/color/image_raw", "/rear/color/image_raw"),
        ("cam_{camera}", "cam_front", "cam_rear"),
        ("image_raw", "front/image_raw", "rear/image_raw"),
    ],
)
def test_the_topics_of_several_cameras_are_remapped_each_for_itself(started, params_file, image, front, rear):
    """By their names in the argument, or below them."""
    node = started(cameras="front, rear", image=image, depth="/{camera}/depth", rqt="true")["emotion_recognizer"]
    assert node.remappings == [
        ("front/image", front),
        ("front/image/compressed", f"{front}/compressed"),
        ("front/depth", "/front/depth"),
        ("rear/image", rear),
        ("rear/image/compressed", f"{rear}/compressed"),
        ("rear/depth", "/rear/depth"),
    ]
    assert node.parameters == [params_file, {"cameras": ["front", "rear"]}]


def test_rqt_shows_the_first_of_several_cameras(started):
    """It has one image."""
    view = started(cameras="front,rear", rqt="true")["rqt_image_view"]
    assert view.arguments == ["/emotion_recognizer/front/image_annotated"]


@pytest.mark.parametrize(
    ("name", "value", "parameter"),
    [
        ("image_transport", "compressed", ParameterValue("compressed", value_type=str)),
        ("image_qos", "sensor_data", ParameterValue("sensor_data", value_type=str)),
        ("model", "007", ParameterValue("007", value_type=str)),
        ("publish_hri", "false", ParameterValue("false", value_type=str)),
        ("use_sim_time", "true", True),
        ("use_sim_time", "false", False),
        ("autostart", "false", False),
        ("autostart", "true", True),
        ("web", "true", True),
        ("web_port", "9000", 9000),
    ],
)
def test_given_arguments_override_the_file(started, params_file, name, value, parameter):
    """They come after it, and with the type that the parameter has."""
    assert started(**{name: value})["emotion_recognizer"].parameters == [params_file, {name: parameter}]


def test_a_camera_named_by_its_compressed_topic_gets_no_second_suffix(started):
    """It is the same camera."""
    node = started(image="/x/compressed", image_transport="compressed", source="0")["video_source"]
    assert node.remappings == [("image_raw", "/x"), ("image_raw/compressed", "/x/compressed")]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"rqt": "true"}, "rqt:=true needs it: sudo apt install ros-.*-rqt-image-view"),
        ({"params_file": "/nowhere.yaml"}, "params_file:=/nowhere.yaml: no such file"),
        ({"namespace": "my robot"}, "namespace:=my robot: expected letters"),
        ({"node_name": "a/b"}, "node_name:=a/b: expected letters"),
        ({"source": "0", "rate": "fast"}, "rate:=fast: expected a number"),
        ({"source": "0", "width": "6.4"}, "width:=6.4: expected a number"),
        ({"web_port": "http"}, "web_port:=http: expected a number"),
        ({"log_level": "chatty"}, "log_level"),
        ({"cameras": "front,front"}, "cameras:=front,front: expected different names"),
        ({"cameras": "front,"}, "cameras:=front,: expected different names"),
        ({"cameras": "a/b"}, "cameras:=a/b: expected different names"),
        ({"cameras": "front,rear", "source": "0"}, "source:=0: video_source plays one camera"),
        ({"cameras": "front,rear", "image": "/eye"}, "image:=/eye: all cameras would have this topic"),
        ({"image": "/{camera}/image"}, r"image:=/\{camera\}/image: .* give cameras"),
        ({"autostart": "no"}, "autostart"),
    ],
)
def test_nothing_starts_where_something_would_fail_later(launched, given, words):
    """A node that runs already would be left behind."""
    nodes, error = launched(packages={"femo_ros"}, **given)
    assert nodes == []
    assert isinstance(error, RuntimeError)
    assert re.search(words, str(error))
    assert "\n" not in str(error)


def test_the_workspace_must_be_sourced(launched):
    """As for every package."""
    nodes, error = launched(packages=set())
    assert nodes == []
    assert "package femo_ros is not installed; build the workspace and source it" in str(error)


def test_name_and_respawn_are_passed_on(started):
    """To both nodes, and the image view follows the name."""
    nodes = started(node_name="left", respawn="true", source="0", rqt="true")
    assert nodes["emotion_recognizer"].name == "left"
    assert nodes["emotion_recognizer"].respawn and nodes["video_source"].respawn
    assert nodes["rqt_image_view"].arguments == ["/left/image_annotated"]


def test_a_source_is_played_on_the_same_topic(started, params_file):
    """Looped, in the same namespace; as JPEG too, whoever asks for that, the argument or the parameter file."""
    nodes = started(source="clip.mp4", image="/eye", namespace="robot", log_level="debug", use_sim_time="true")
    assert nodes.keys() == {"emotion_recognizer", "video_source"}
    node = nodes["video_source"]
    assert (node.package, node.name, node.namespace) == ("femo_ros", "video_source", "robot")
    assert node.remappings == [("image_raw", "/eye"), ("image_raw/compressed", "/eye/compressed")]
    assert node.ros_arguments == ["--log-level", "debug"]
    assert node.parameters == [
        params_file,
        {
            "use_sim_time": True,
            "source": ParameterValue("clip.mp4", value_type=str),
            "loop": True,
            "compressed": True,
        },
    ]
    given = {"rate": "15", "width": "320", "height": "240", "qos": "sensor_data", "loop": "false"}
    parameters = started(source="clip.mp4", **given)["video_source"].parameters[1]
    assert parameters == {
        "source": ParameterValue("clip.mp4", value_type=str),
        "loop": False,
        "compressed": True,
        "rate": 15.0,
        "width": 320,
        "height": 240,
        "qos": ParameterValue("sensor_data", value_type=str),
    }
    assert isinstance(parameters["rate"], float)


@pytest.mark.parametrize(
    ("pushed", "namespace", "topic"),
    [
        ("", "", "/emotion_recognizer/image_annotated"),
        ("", "left", "/left/emotion_recognizer/image_annotated"),
        ("", "/robot/left/", "/robot/left/emotion_recognizer/image_annotated"),
        ("/robot", "", "/robot/emotion_recognizer/image_annotated"),
        ("/robot", "left", "/robot/left/emotion_recognizer/image_annotated"),
        ("/robot", "/left", "/left/emotion_recognizer/image_annotated"),
    ],
)
def test_rqt_shows_the_annotated_images(started, pushed, namespace, topic):
    """Of this namespace, below the one that an including launch file pushes."""
    nodes = started(rqt="true", namespace=namespace, **({"ros_namespace": pushed} if pushed else {}))
    assert nodes.keys() == {"emotion_recognizer", "rqt_image_view"}
    assert nodes["rqt_image_view"].package == "rqt_image_view"
    assert nodes["rqt_image_view"].arguments == [topic]


def test_only_the_documented_interface_is_used():
    """The stand-in refuses what `launch` would refuse: this is the test of the tests above."""
    with pytest.raises(TypeError):
        launch_api.Node(package="femo_ros", node_executable="emotion_recognizer")
    with pytest.raises(TypeError):
        launch_api.DeclareLaunchArgument("image", default="image_raw")
    with pytest.raises(RuntimeError):
        launch_api.DeclareLaunchArgument("image", default_value="", choices=["raw"])


def test_xml_is_the_twin(declared):
    """The same arguments with the same defaults and texts, all handed on to the Python file."""
    root = ElementTree.parse(FOLDER / "femo.launch.xml").getroot()
    assert root.tag == "launch"
    assert [child.tag for child in root] == ["arg"] * len(EXPECTED) + ["include"]
    arguments = {argument.get("name"): argument for argument in root.findall("arg")}
    assert list(arguments) == list(declared)
    for name, argument in arguments.items():
        assert argument.get("description") == declared[name].description
        if name == "params_file":
            assert argument.get("default") == "$(find-pkg-share femo_ros)/config/femo.yaml"
        else:
            assert argument.get("default") == declared[name].default_value

    included = root.find("include")
    assert included.get("file") == "$(find-pkg-share femo_ros)/launch/femo.launch.py"
    handed_on = {argument.get("name"): argument.get("value") for argument in included.findall("arg")}
    assert handed_on == {name: f"$(var {name})" for name in EXPECTED}


def test_launch_itself_loads_the_file():
    """With the real thing, where it is installed."""
    pytest.importorskip("launch_ros", reason="launch is not installed")
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    description = get_launch_description_from_python_launch_file(str(FOLDER / "femo.launch.py"))
    assert {argument.name for argument in description.get_launch_arguments()} == EXPECTED
