"""The files of config/: the parameter file names every parameter of the node, with its default and its meaning."""

import ast
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

FOLDER = Path(__file__).parent.parent / "config"
PARAMETERS = FOLDER / "femo.yaml"


def test_the_parameter_file_is_written_from_the_parameters():
    """The file is generated: its text, defaults and notes stand in one place."""
    pytest.importorskip("rcl_interfaces", reason="needs ROS 2")
    pytest.importorskip("femo_jax", reason="needs femo-jax")
    from femo_ros.parameters import parameter_file

    assert PARAMETERS.read_text() == parameter_file(), "run: python -m femo_ros.parameters yaml > config/femo.yaml"


def test_the_parameter_file_holds_in_every_namespace():
    """With ROS parameters and nothing else."""
    tree = yaml.safe_load(PARAMETERS.read_text())
    assert list(tree) == ["/**"]
    assert list(tree["/**"]) == ["ros__parameters"]
    assert tree["/**"]["ros__parameters"]["track"]["max_age_ms"] == 600.0


def test_parameters_of_one_name_have_one_default():
    """A parameter file is given to both nodes."""
    pytest.importorskip("rcl_interfaces", reason="needs ROS 2")
    pytest.importorskip("femo_jax", reason="needs femo-jax")
    from femo_ros.parameters import VIDEO_SOURCE, recognizer_parameters

    defaults = {each.name: each.default for each in recognizer_parameters()}
    shared = [each for each in VIDEO_SOURCE if each.name in defaults]
    assert [each.name for each in shared] == ["jpeg_quality"]
    assert all(each.default == defaults[each.name] for each in shared)


def test_ros_reads_the_parameter_file():
    """With its own parser."""
    parameter = pytest.importorskip("rclpy.parameter", reason="needs ROS 2")
    read = parameter.parameter_dict_from_yaml_file(str(PARAMETERS), use_wildcard=True)
    assert read["jpeg_quality"].value.integer_value == 90
    assert read["detector.kind"].value.string_value == "haar"
    assert read["track.min_hits"].value.type == parameter.Parameter.Type.INTEGER.value


def test_the_perspective_shows_the_annotated_images():
    """Read as rqt reads it."""
    groups = json.loads((FOLDER / "femo.perspective").read_text())["groups"]["pluginmanager"]
    running = groups["keys"]["running-plugins"]
    assert running["type"] == "repr"
    assert ast.literal_eval(running["repr"]) == {"rqt_image_view/ImageView": [1]}
    topic = groups["groups"]["plugin__rqt_image_view__ImageView__1"]["groups"]["plugin"]["keys"]["topic"]
    assert ast.literal_eval(topic["repr"]) == "/emotion_recognizer/image_annotated"


def published():
    """Topics of the recogniser, as its sources name them, below the default name of the node."""
    sources = "".join(path.read_text() for path in (FOLDER.parent / "femo_ros").glob("*.py"))
    return {f"/emotion_recognizer/{name}" for name in re.findall(r'"~/([a-z_/]+)"', sources)}


def test_rviz_shows_the_annotated_images_and_where_the_faces_are():
    """In displays of its own plugins."""
    manager = yaml.safe_load((FOLDER / "femo.rviz").read_text())["Visualization Manager"]
    topics = {display["Class"]: display["Topic"]["Value"] for display in manager["Displays"] if "Topic" in display}
    assert topics == {
        "rviz_default_plugins/Image": "/emotion_recognizer/image_annotated",
        "rviz_default_plugins/PoseArray": "/emotion_recognizer/face_poses",
    }
    assert set(topics.values()) <= published()


def test_foxglove_shows_what_the_node_publishes():
    """Every panel of the layout is configured, and the names are those of topics, fields and hardware id."""
    layout = json.loads((FOLDER / "femo.foxglove.json").read_text())
    configured = layout["configById"]
    panels = set()

    def walk(part):
        if isinstance(part, dict):
            walk(part["first"])
            walk(part["second"])
            return
        panels.add(part)
        for tab in configured[part].get("tabs", []):
            walk(tab["layout"])

    walk(layout["layout"])
    assert panels == configured.keys()
    camera = configured["Image!camera"]["imageMode"]
    shown = [
        configured["Image!femo"]["imageMode"]["imageTopic"],
        *camera["annotations"],
        *configured["3D!femo"]["topics"],
    ]
    assert set(shown) <= published()
    definition = (FOLDER.parent.parent / "femo_msgs" / "msg" / "FaceEmotion.msg").read_text()
    for path in configured["Plot!femo"]["paths"]:
        assert path["value"].startswith("/emotion_recognizer/faces.faces[0].")
        field = path["value"].rpartition(".")[2].removesuffix("[:]")
        assert f" {field}\n" in definition
    diagnostics = (FOLDER.parent / "femo_ros" / "diagnostics.py").read_text()
    hardware_id = configured["DiagnosticSummary!femo"]["hardwareIdFilter"]
    assert f'HARDWARE_ID = "{hardware_id}"' in diagnostics


def test_fast_dds_has_room_for_images():
    """Shared memory for several of the largest messages, beside UDP for other machines."""
    name = "{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}"
    root = ElementTree.parse(FOLDER / "fastdds.xml").getroot()
    transports = {
        transport.findtext(f"{name}type"): transport for transport in root.iter(f"{name}transport_descriptor")
    }
    assert transports.keys() == {"SHM", "UDPv4"}
    largest = int(transports["SHM"].findtext(f"{name}maxMessageSize"))
    assert largest >= 1280 * 720 * 3
    assert int(transports["SHM"].findtext(f"{name}segment_size")) >= 4 * largest
    used = [each.text for each in root.find(f".//{name}userTransports")]
    assert used == [each.findtext(f"{name}transport_id") for each in transports.values()]
