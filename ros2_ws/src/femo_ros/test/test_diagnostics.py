import dataclasses

import pytest

pytest.importorskip("diagnostic_msgs", reason="needs ROS 2")

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from femo_ros.diagnostics import Condition, diagnostics, judge, no_image_limits
from femo_ros.parameters import DiagnosticsConfig
from femo_ros.statistics import Latency, Report

CONDITION = Condition(
    state="active",
    error="",
    enabled=True,
    topic="/camera/image_raw",
    publishers="/camera (reliable)",
    model="femonet-base",
    detector="haar",
    face_poses="12 from depth, 3 from face width, 0 unknown",
    limits=DiagnosticsConfig(),
)
REPORT = Report(
    rate_in=30.0,
    rate_out=29.0,
    from_stamp=Latency(21.25, 30.0),
    from_arrival=None,
    clock_offset=None,
    dropped=7,
    drawings_dropped=3,
    undecodable=1,
    failed=0,
    new_errors=0,
    last_error="",
    faces=2,
    since_image=0.02,
    since_result=None,
    any_image=True,
    period=1 / 30,
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
        ({}, {"faces": 1}, DiagnosticStatus.OK, ", 1 face"),
        ({}, {"since_result": 0.9}, DiagnosticStatus.OK, "images/s"),
        (
            {},
            {"since_result": 1.0, "last_error": "odd"},
            DiagnosticStatus.WARN,
            "images arrive, but no result for 1.0 s: odd",
        ),
        ({}, {"since_result": 3.0}, DiagnosticStatus.ERROR, "no result for 3.0 s"),
        ({}, {"since_image": 2.4, "period": 2.5}, DiagnosticStatus.OK, "images/s"),
        ({}, {"since_image": 7.5, "period": 2.5}, DiagnosticStatus.WARN, "no image for 7.5 s"),
        ({}, {"since_image": 25.0, "period": 2.5}, DiagnosticStatus.ERROR, "no image for 25.0 s"),
        ({"limits": DiagnosticsConfig(warn_after_ms=100.0)}, {"since_image": 0.2}, DiagnosticStatus.WARN, "0.2 s"),
        ({"limits": DiagnosticsConfig(error_after_ms=300.0)}, {"since_image": 0.3}, DiagnosticStatus.ERROR, "0.3 s"),
        ({"state": "unconfigured"}, {}, DiagnosticStatus.WARN, "unconfigured"),
        ({"state": "finalized"}, {}, DiagnosticStatus.WARN, "finalized"),
        ({"state": "unconfigured", "error": "no model"}, {}, DiagnosticStatus.ERROR, "no model"),
    ],
)
def test_the_worst_thing_gives_level_and_sentence(condition, report, level, words):
    found, sentence = judge(dataclasses.replace(CONDITION, **condition), dataclasses.replace(REPORT, **report))
    assert found == level
    assert words in sentence


def test_the_message_has_all_figures_under_the_nodes_name():
    message = diagnostics("robot/emotion_recognizer", Time(sec=5), [(CONDITION, REPORT)])
    (status,) = message.status
    assert message.header.stamp.sec == 5
    assert status.name == "robot/emotion_recognizer: emotion recognition"
    assert status.hardware_id == "femo"
    values = {each.key: each.value for each in status.values}
    assert values["latency from stamp, median (ms)"] == "21.2"
    assert values["latency from arrival, median (ms)"] == ""
    assert values["images in (1/s)"] == "30.0"
    assert values["results out (1/s)"] == "29.0"
    assert values["images dropped for newer ones"] == "7"
    assert values["annotated images dropped for newer ones"] == "3"
    assert values["images undecodable"] == "1"
    assert values["detector.kind"] == "haar"
    assert values["model"] == "femonet-base"


def test_limits_are_those_of_the_parameters_or_of_the_cameras_period():
    assert no_image_limits(DiagnosticsConfig(), None) == (0.5, 2.0)
    assert no_image_limits(DiagnosticsConfig(), 1 / 30) == (0.5, 2.0)
    assert no_image_limits(DiagnosticsConfig(), 2.5) == (7.5, 25.0)
    assert no_image_limits(DiagnosticsConfig(warn_after_ms=40_000.0), 2.5) == (40.0, 40.0)
    assert no_image_limits(DiagnosticsConfig(error_after_ms=5000.0), 2.5) == (5.0, 5.0)


def test_the_offset_of_another_clock_takes_the_place_of_the_latency():
    report = dataclasses.replace(REPORT, from_stamp=None, clock_offset=-4.981)
    values = {each.key: each.value for each in diagnostics("n", Time(), [(CONDITION, report)]).status[0].values}
    assert values["latency from stamp, median (ms)"] == ""
    assert values["stamps behind the node's clock (s)"] == "-4.981"


def test_each_of_several_cameras_has_a_status_with_its_name():
    front = dataclasses.replace(CONDITION, camera="front", topic="/front/image")
    rear = dataclasses.replace(CONDITION, camera="rear", topic="/rear/image")
    late = dataclasses.replace(REPORT, since_image=3.0)
    statuses = diagnostics("n", Time(), [(front, REPORT), (rear, late)]).status
    assert [(each.name, each.level) for each in statuses] == [
        ("n: emotion recognition, front", DiagnosticStatus.OK),
        ("n: emotion recognition, rear", DiagnosticStatus.ERROR),
    ]
    assert [each.values[2].value for each in statuses] == ["/front/image", "/rear/image"]
