"""Parameters: described, refused with a reason, changed live and together."""

import re

import pytest


def test_every_parameter_is_described(waiting):
    from rcl_interfaces.srv import DescribeParameters, ListParameters

    names = waiting.client.call(ListParameters, f"{waiting.node}/list_parameters").result.names
    ours = [name for name in names if name != "use_sim_time" and not name.startswith("start_type_description")]
    request = DescribeParameters.Request(names=ours)
    descriptors = waiting.client.call(DescribeParameters, f"{waiting.node}/describe_parameters", request).descriptors
    assert len(descriptors) > 30
    assert [each.name for each in descriptors if not each.description] == []
    by_name = {each.name: each for each in descriptors}
    assert by_name["autostart"].read_only
    assert by_name["detector.score_threshold"].floating_point_range[0].to_value == 1.0
    assert by_name["jpeg_quality"].integer_range[0].from_value == 1
    assert "auto, sensor_data, reliable" in by_name["image_qos"].additional_constraints


def test_refusals_say_why_and_change_nothing_also_not_what_was_set_together(recognizer, camera, scene, tmp_path):
    recognizer.process.wait_for_log("Listening")
    not_a_cascade = tmp_path / "cascade.xml"
    not_a_cascade.write_text("<nothing/>")
    cases = [
        ({"track__hysteresis": 2.0}, "hysteresis.*(range|at most 1)"),
        ({"detector__min_neighbors": -1}, "min_neighbors.*(range|at least 0)"),
        ({"detector__min_size": 0.0}, r"detector\.min_size is 0.0; expected a number above 0"),
        ({"detector__min_size": 60}, "[Tt]ype"),
        ({"detector__min_size": 0.9, "detector__max_size": 0.5}, "detector.max_size is 0.5"),
        (
            {"diagnostics__error_after_ms": 5.0, "diagnostics__warn_after_ms": 10.0},
            "expected .*error_after_ms to be no less",
        ),
        ({"detector__kind": "hog"}, "'hog'; expected one of haar, yunet"),
        ({"detector__model": str(tmp_path / "missing.xml")}, r"missing\.xml"),
        ({"detector__model": str(not_a_cascade)}, r"cascade\.xml"),
        ({"image_qos": "best"}, "expected one of auto, sensor_data, reliable"),
        ({"publish_hri": "perhaps"}, "expected one of auto, true, false"),
        ({"autostart": False}, "read-only"),
        ({"model": "/other.safetensors"}, "model changes only while the node is unconfigured"),
        ({"image_transport": "compressed"}, "image_transport changes only while the node is unconfigured"),
        ({"track__no_such": 1}, "not declared|undeclared|invalid"),
    ]
    for change, reason in cases:
        name = next(iter(change)).replace("__", ".")
        before = None if "no_such" in name else recognizer.get(name)
        *_, found = recognizer.set(atomically=len(change) > 1, **change)
        assert found, change
        assert re.search(reason, found), f"{change}: {found}"
        assert before is None or recognizer.get(name) == before

    names = "track.uncertain_below", "track.hysteresis"
    before = recognizer.get(*names)
    (reason,) = recognizer.set(atomically=True, track__uncertain_below=1.0, track__hysteresis=0.5, draw__scale=0.0)
    assert "scale" in reason
    assert recognizer.get(*names) == before
    # Kind and model are judged together: what is wrong is the file, not that there is none.
    (reason,) = recognizer.set(atomically=True, detector__kind="yunet", detector__model="/nowhere/yunet.onnx")
    assert "/nowhere/yunet.onnx" in reason
    (face,) = recognizer.faces_of(camera, scene.image)
    assert not face.uncertain
    assert recognizer.set(atomically=True, track__uncertain_below=1.0, track__hysteresis=0.5) == []
    (face,) = recognizer.faces_of(camera, scene.image)
    assert face.uncertain


def test_detector_tracker_and_drawing_change_live(recognizer, camera, scene):
    from sensor_msgs.msg import Image

    (face,) = recognizer.faces_of(camera, scene.image)
    assert not face.uncertain

    assert recognizer.set(track__uncertain_below=1.0) == []
    (face,) = recognizer.faces_of(camera, scene.image)
    assert face.uncertain
    assert face.track_id == 1  # the track lives on

    assert recognizer.set(detector__min_size=0.9, track__max_age_ms=0.0) == []
    assert len(recognizer.faces_of(camera, scene.image)) == 1  # known faces are followed, whatever their size
    assert recognizer.faces_of(camera, scene.image * 0) == []
    assert recognizer.faces_of(camera, scene.image) == []
    assert recognizer.set(detector__min_size=0.1) == []
    assert len(recognizer.faces_of(camera, scene.image)) == 1

    drawn = recognizer.client.collect(Image, f"{recognizer.node}/image_annotated")
    recognizer.client.spin_until(
        lambda: recognizer.client.node.count_publishers(f"{recognizer.node}/image_annotated"), "the annotated topic"
    )

    def next_drawn():
        """The drawing of an image that is shown from now on."""
        shown = []

        def found():
            shown.append(camera.show(scene.image))
            recognizer.client.spin_for(0.05)
            stamps = [(each.header.stamp.sec, each.header.stamp.nanosec) for each in drawn]
            return drawn and stamps[-1] in shown

        recognizer.client.spin_until(found, "an annotated image", timeout=20)
        return bytes(drawn[-1].data)

    without = next_drawn()
    assert recognizer.set(draw__bars=True) == []
    assert next_drawn() != without


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"detector.min_size": 60}, "detector.min_size"),  # 60.0 is meant
        ({"image_qos": "best"}, "image_qos is 'best'; expected one of auto, sensor_data, reliable"),
    ],
)
def test_a_start_with_an_impossible_value_ends_with_one_line(start_recognizer, parameters, words):
    recognizer = start_recognizer(parameters)
    assert recognizer.process.wait() == 1
    assert words in recognizer.process.log
    assert "Traceback" not in recognizer.process.log


def test_names_of_the_version_before_are_refused_with_the_present_ones(start_recognizer):
    from femo_ros.parameters import RENAMED

    for before, now in list(RENAMED.items())[-2:]:
        recognizer = start_recognizer({before: 1})
        assert recognizer.process.wait() == 1
        assert f"parameter {before} is now called {now}" in recognizer.process.log
        assert "Traceback" not in recognizer.process.log


def test_a_misspelt_name_in_a_file_gets_a_warning_with_the_closest_one(start_recognizer, quick, tmp_path):
    """Those of video_source, which may stand in the same file, do not."""
    path = tmp_path / "parameters.yaml"
    path.write_text(
        "/**:\n  ros__parameters: {loop: true, track: {smothing_ms: 1.0, hysteresis: 0.5}, jpeg_quality: 7}\n"
    )
    recognizer = start_recognizer({**quick, "autostart": False}, params_file=path)
    recognizer.process.wait_for_log(
        r"WARN.*unknown parameter track\.smothing_ms has no effect; did you mean track\.smoothing_ms\?"
    )
    assert recognizer.get("track.hysteresis", "jpeg_quality") == [0.5, 7]
    assert recognizer.process.log.count("unknown parameter") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--log-level", "chatty"], "Couldn't parse log level: '--log-level chatty'"),
        (["-r", "image:=/a//b"], "Couldn't parse remap rule: '-r image:=/a//b'"),
        (["--params-file", "/nowhere.yaml"], "/nowhere.yaml.*Error opening YAML file"),
        (["--params-file", "{malformed}"], "malformed.yaml"),
        (["--wrong"], "unknown arguments ..--wrong"),
    ],
)
def test_ros_arguments_that_make_no_sense_end_it_with_one_line(start_node, tmp_path, arguments, words):
    malformed = tmp_path / "malformed.yaml"
    malformed.write_text("/**:\n  ros__parameters: [1\n b")
    given = [argument.format(malformed=malformed) for argument in arguments]
    for executable in ("emotion_recognizer", "video_source"):
        process = start_node(executable, command_line=["--ros-args", *given])
        assert process.wait() == 1
        (line,) = [line for line in process.log.splitlines() if "FATAL" in line]
        assert re.search(rf"\[{executable}\]: invalid ROS arguments: .*{words}", line)
        assert "/project/src" not in line
        assert "Traceback" not in process.log
