import dataclasses
from pathlib import Path

import pytest

pytest.importorskip("rcl_interfaces", reason="needs ROS 2")

from femo_ros import parameters
from femo_ros.parameter_table import unknown

from femo_jax.errors import ConfigError
from femo_jax.live.config import DetectorConfig, SearchConfig, TrackConfig

DEFAULTS = {each.name: each.default for each in parameters.recognizer_parameters()}
BY_NAME = {each.name: each for each in parameters.recognizer_parameters()}


def test_every_parameter_is_told_in_words():
    assert len(BY_NAME) > 30
    for each in parameters.recognizer_parameters():
        assert each.text.endswith("."), each.name
        assert each.text[0].isupper() or each.text.startswith(("haar", "yunet", "raw", "detector")), each.name


def test_names_and_defaults_are_those_of_the_classes():
    assert DEFAULTS["detector.min_size"] == DetectorConfig().min_size
    assert DEFAULTS["track.max_age_ms"] == TrackConfig().max_age_ms
    assert DEFAULTS["model"] == ""
    assert DEFAULTS["detector.model"] == ""
    assert BY_NAME["search.window_scale"].descriptor.description.startswith("Side of the window")


def test_the_defaults_make_the_default_settings():
    assert parameters.settings(DEFAULTS) == parameters.Settings()


def test_choices_ranges_and_what_may_not_change_are_in_the_descriptors():
    kind = BY_NAME["detector.kind"].descriptor
    assert "haar, yunet" in kind.additional_constraints
    assert BY_NAME["autostart"].descriptor.read_only
    assert "unconfigured" in BY_NAME["model"].descriptor.additional_constraints
    (quality,) = BY_NAME["jpeg_quality"].descriptor.integer_range
    assert (quality.from_value, quality.to_value) == (1, 100)
    (window,) = BY_NAME["search.window_scale"].descriptor.floating_point_range
    assert (window.from_value, window.to_value) == (1.1, 5.0)


@pytest.mark.parametrize(
    ("low", "high"),
    [("detector.min_size", "detector.max_size"), ("diagnostics.warn_after_ms", "diagnostics.error_after_ms")],
)
def test_limits_that_contradict_each_other_are_refused(low, high):
    """Sizes of one unit: a fraction of the frame and pixels cannot be compared before there is a frame."""
    for smaller, larger in ((0.3, 0.7), (30.0, 70.0)):
        parameters.settings(DEFAULTS | {low: smaller, high: larger})
        with pytest.raises(ConfigError, match=rf"{low} is {larger:g}.*{high} is {smaller:g}"):
            parameters.settings(DEFAULTS | {low: larger, high: smaller})
    parameters.settings(DEFAULTS | {low: 300.0, high: 0.0 if "after" in high else 1.0})


def test_renamed_parameters_exist():
    assert set(parameters.RENAMED.values()) <= set(BY_NAME)
    assert not set(parameters.RENAMED) & set(BY_NAME)


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("track.smothing_ms", "did you mean track.smoothing_ms?"),
        ("smothing_ms", "did you mean track.smoothing_ms?"),
        ("tracker.hysteresis", "did you mean track.hysteresis?"),
        ("jpg_quality", "did you mean jpeg_quality?"),
        ("zzz", "`ros2 param list`"),
    ],
)
def test_an_unknown_name_gets_the_closest_one(given, advice):
    assert unknown(given, list(BY_NAME)).startswith(f"unknown parameter {given} has no effect; {advice}")


def test_every_number_has_a_range():
    numbers = {name for name, value in DEFAULTS.items() if type(value) in (int, float)}
    assert numbers == set(parameters.RANGES)


@pytest.mark.parametrize("name", [name for name in parameters.RANGES if "." in name])
def test_ranges_are_those_that_the_classes_check(name):
    low, high = parameters.RANGES[name]
    integer = isinstance(DEFAULTS[name], int)
    step = 1 if integer else 0.001 * (high - low)
    inside = [low if integer else low + step, high]
    outside = [low - step] if high == 100_000 else [low - step, high + step]  # no face is too large for the class
    for value in inside:
        parameters.settings(DEFAULTS | {name: value})
    for value in outside:
        with pytest.raises(ConfigError, match=name.split(".")[1]):
            parameters.settings(DEFAULTS | {name: value})


def test_a_refused_value_names_its_parameter():
    with pytest.raises(ConfigError, match=r"^track\.hysteresis is 2.0; expected .* at most 1"):
        parameters.settings(DEFAULTS | {"track.hysteresis": 2.0})
    with pytest.raises(ConfigError, match=r"image_qos is 'best'; expected one of auto, sensor_data, reliable"):
        parameters.settings(DEFAULTS | {"image_qos": "best"})
    with pytest.raises(ConfigError, match=r"prior is 'usual'; expected training, uniform, everyday"):
        parameters.settings(DEFAULTS | {"prior": "usual"})
    with pytest.raises(ConfigError, match=r"detector\.kind is 'hog'"):
        parameters.settings(DEFAULTS | {"detector.kind": "hog"})


@pytest.mark.parametrize(("given", "taken"), [(True, "true"), (False, "false"), ("auto", "auto"), ("true", "true")])
def test_true_and_false_may_be_booleans(given, taken):
    assert parameters.settings(DEFAULTS | {"publish_hri": given}).node.publish_hri == taken


def test_paths_know_the_home_folder():
    found = parameters.settings(DEFAULTS | {"model": "~/a.safetensors", "detector.model": "/b.xml"})
    assert found.node.model == Path.home() / "a.safetensors"
    assert found.detector.model == Path("/b.xml")


def test_groups_come_from_their_own_parameters():
    found = parameters.settings(DEFAULTS | {"search.window_scale": 2.0, "track.min_hits": 5, "draw.bars": True})
    assert found.stream.search == SearchConfig(window_scale=2.0)
    assert found.stream.track == TrackConfig(min_hits=5)
    assert found.draw.bars


def test_a_loaded_model_is_not_exchanged_behind_the_back():
    before = parameters.Settings()
    after = dataclasses.replace(before, node=dataclasses.replace(before.node, model=Path("b.safetensors")))
    with pytest.raises(ConfigError, match="model changes only while the node is unconfigured"):
        parameters.refuse_while_configured(before, after)
    parameters.refuse_while_configured(after, after)


def test_cameras_are_names_and_an_empty_one_is_none():
    for given, names in ([""], ()), ([], ()), (None, ()), (["front", "rear_2"], ("front", "rear_2")):
        node = parameters.settings(DEFAULTS | {"cameras": given}).node
        assert node.cameras == names
        assert node.camera_names == (names or ("",))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cameras": ["front", "front"]}, r"with 'front' twice"),
        ({"cameras": ["front", "2"]}, r"'2' can be no part of a topic"),
        ({"cameras": ["a/b"]}, r"'a/b' can be no part of a topic"),
        ({"cameras": ["a__b"]}, r"'a__b' can be no part of a topic"),
        ({"cameras": ["küche"]}, r"'küche' can be no part of a topic"),
        ({"cameras": "front"}, r"cameras is 'front'; expected a list of texts"),
        ({"cameras": [1, 2]}, r"cameras is \[1, 2\]; expected a list of texts"),
        ({"cameras": ["front"], "faces_from": "hri"}, r"faces_from hri, which takes no images"),
        ({"cameras": ["front"], "publish_hri": "true"}, r"publish_hri true.*one list of faces"),
    ],
)
def test_cameras_that_make_no_sense_are_refused(given, words):
    with pytest.raises(ConfigError, match=words):
        parameters.settings(DEFAULTS | given)


def test_cameras_do_not_change_while_their_topics_exist():
    before = parameters.Settings()
    after = dataclasses.replace(before, node=dataclasses.replace(before.node, cameras=("front",)))
    with pytest.raises(ConfigError, match="cameras changes only while the node is unconfigured"):
        parameters.refuse_while_configured(before, after)
