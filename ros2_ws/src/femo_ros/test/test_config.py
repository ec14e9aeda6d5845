"""The files of config/: the parameter file names every parameter of the node, with its default and its meaning."""

import ast
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

FOLDER = Path(__file__).parent.parent / "config"
PARAMETERS = FOLDER / "femo.yaml"


def flattened(tree, prefix=""):
    """Nested parameters by their full names."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def test_parameters_hold_for_the_node_in_every_namespace():
    """And for nothing but ROS parameters."""
    tree = yaml.safe_load(PARAMETERS.read_text())
    assert list(tree) == ["/**"]
    assert list(tree["/**"]) == ["ros__parameters"]


def test_every_parameter_has_its_meaning_above_it():
    """A comment in the line before; groups too."""
    before = ""
    for line in PARAMETERS.read_text().split("ros__parameters:\n")[1].splitlines():
        if line and not line.lstrip().startswith("#"):
            assert before.lstrip().startswith("# "), line
        before = line


def test_parameters_are_those_that_the_node_declares():
    """All of them, with their defaults, in their types."""
    pytest.importorskip("rcl_interfaces", reason="needs ROS 2")
    pytest.importorskip("femo_jax", reason="needs femo-jax")
    from femo_ros.parameters import described

    declared = {each.name: each.default for each in described()}
    written = dict(flattened(yaml.safe_load(PARAMETERS.read_text())["/**"]["ros__parameters"]))
    assert list(written) == sorted(written, key=list(declared).index)
    assert written == declared
    assert {name: type(value) for name, value in written.items()} == {
        name: type(value) for name, value in declared.items()
    }


def test_ros_reads_the_parameter_file():
    """With its own parser."""
    parameter = pytest.importorskip("rclpy.parameter", reason="needs ROS 2")
    read = parameter.parameter_dict_from_yaml_file(str(PARAMETERS), use_wildcard=True)
    assert read["jpeg_quality"].value.integer_value == 80
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
