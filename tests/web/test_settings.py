import pytest

from femo_jax.errors import ConfigError
from femo_jax.live.config import DetectorConfig, TrackConfig
from femo_jax.web.settings import Settings, settings_schema


def test_what_is_not_named_stays():
    settings = Settings(DetectorConfig(min_neighbors=5))
    changed = settings.updated({"track": {"smoothing_ms": 0, "min_hits": 1.0}, "detector": {"equalize": True}})
    assert changed.track == TrackConfig(smoothing_ms=0, min_hits=1)
    assert changed.detector == DetectorConfig(min_neighbors=5, equalize=True)
    assert settings.updated({}) == settings


def test_values_can_be_given_back():
    settings = Settings()
    assert settings.updated(settings.values()) == settings


def test_files_of_the_server_are_no_settings():
    assert {"kind", "model"}.isdisjoint(Settings().values()["detector"])
    assert {"kind", "model"}.isdisjoint(settings_schema()["properties"]["detector"]["properties"])


def test_each_setting_is_described():
    for group in settings_schema()["properties"].values():
        assert all(len(each["description"]) > 10 for each in group["properties"].values())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([], "expected an object"),
        ({"camera": {}}, "expected objects named detector"),
        ({"track": 3}, "expected objects named detector"),
        ({"__class__": {}}, "expected objects named detector"),
        ({"track": {"speed": 1}}, "no setting 'speed'"),
        ({"detector": {"model": "/etc/passwd"}}, "no setting 'model'"),
        ({"track": {"min_hits": "2"}}, "min_hits is '2'"),
        ({"track": {"min_hits": 2.5}}, "type integer"),
        ({"track": {"min_hits": True}}, "type integer"),
        ({"track": {"min_hits": None}}, "type integer"),
        ({"track": {"min_hits": float("inf")}}, "min_hits"),
        ({"detector": {"max_size": float("inf")}}, "max_size"),
        ({"detector": {"equalize": 1}}, "type boolean"),
        ({"track": {"smoothing_ms": -1}}, "smoothing_ms"),
        ({"track": {"smoothing_ms": float("nan")}}, "smoothing_ms"),
        ({"track": {"smoothing_ms": 10**400}}, "smoothing_ms"),
        ({"detector": {"min_size": 0.5, "max_size": 0.1}}, "min_size"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        Settings().updated(changes)
