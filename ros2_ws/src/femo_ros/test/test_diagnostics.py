import dataclasses

import pytest

pytest.importorskip("diagnostic_msgs", reason="needs ROS 2")

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from femo_ros.diagnostics import Condition, diagnostics, judge
from femo_ros.statistics import Latency, Report

CONDITION = Condition(
    state="active",
    error="",
    enabled=True,
    topic="/camera/image_raw",
    camera="/camera (reliable)",
    model="femonet",
    detector="haar",
)
REPORT = Report(
    rate_in=30.0,
    rate_out=29.0,
    from_stamp=Latency(21.25, 30.0),
    from_arrival=None,
    dropped=7,
    undecodable=1,
    failed=0,
    new_errors=0,
    last_error="",
    faces=2,
    since_image=0.02,
    any_image=True,
)


@pytest.mark.parametrize(
    ("condition", "report", "level", "words"),
    [
        ({}, {}, DiagnosticStatus.OK, "29.0 images/s, 2 faces"),
        ({}, {"since_image": 0.49}, DiagnosticStatus.OK, "images/s"),
        (
            {},
            {"since_image": 0.5},
            DiagnosticStatus.WARN,
            "no image for 0.5 s on /camera/image_raw: /camera (reliable)",
        ),
        ({}, {"since_image": 1.99}, DiagnosticStatus.WARN, "no image for 2.0 s"),
        ({}, {"since_image": 2.0}, DiagnosticStatus.ERROR, "no image for 2.0 s"),
        ({}, {"since_image": 3.0, "any_image": False}, DiagnosticStatus.ERROR, "no image yet, after 3.0 s"),
        ({}, {"new_errors": 4, "last_error": "odd"}, DiagnosticStatus.WARN, "4 images without a result: odd"),
        ({"enabled": False}, {"since_image": 9.0}, DiagnosticStatus.OK, "paused"),
        ({"state": "inactive"}, {"since_image": None}, DiagnosticStatus.OK, "inactive"),
        ({"state": "unconfigured", "error": "no model"}, {}, DiagnosticStatus.ERROR, "no model"),
    ],
)
def test_the_worst_thing_gives_level_and_sentence(condition, report, level, words):
    found, sentence = judge(dataclasses.replace(CONDITION, **condition), dataclasses.replace(REPORT, **report))
    assert found == level
    assert words in sentence


def test_the_message_has_all_figures_under_the_nodes_name():
    message = diagnostics("robot/emotion_recognizer", Time(sec=5), CONDITION, REPORT)
    (status,) = message.status
    assert message.header.stamp.sec == 5
    assert status.name == "robot/emotion_recognizer: emotion recognition"
    assert status.hardware_id == "/camera/image_raw"
    values = {each.key: each.value for each in status.values}
    assert values["latency from stamp, median (ms)"] == "21.2"
    assert values["latency from arrival, median (ms)"] == ""
    assert values["images in (1/s)"] == "30.0"
    assert values["results out (1/s)"] == "29.0"
    assert values["images dropped for newer ones"] == "7"
    assert values["images undecodable"] == "1"
    assert values["model"] == "femonet"
