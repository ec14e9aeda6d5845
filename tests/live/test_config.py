import math

import pytest

from femo_jax.errors import ConfigError
from femo_jax.live.config import DetectorConfig, DrawConfig, SearchConfig, TrackConfig


@pytest.mark.parametrize(
    ("config", "name", "value"),
    [
        (DetectorConfig, "kind", "mtcnn"),
        (DetectorConfig, "min_size", 0),
        (DetectorConfig, "max_size", -3),
        (DetectorConfig, "scale_factor", 1.0),
        (DetectorConfig, "min_neighbors", -1),
        (DetectorConfig, "score_threshold", 1.5),
        (SearchConfig, "full_scan_ms", -1),
        (SearchConfig, "look_every_ms", -1),
        (SearchConfig, "window_scale", 1.0),
        (SearchConfig, "scale_range", math.nan),
        (TrackConfig, "min_overlap", 0),
        (TrackConfig, "min_hits", 0),
        (TrackConfig, "max_age_ms", math.inf),
        (TrackConfig, "classify_every_ms", -1),
        (TrackConfig, "smoothing_ms", "slow"),
        (TrackConfig, "hysteresis", 1.1),
        (TrackConfig, "uncertain_below", True),
        (TrackConfig, "min_contrast", -0.1),
        (TrackConfig, "uncertain_for_ms", -5),
        (TrackConfig, "box_cutoff_hz", 0),
        (TrackConfig, "box_speed", -0.1),
        (DrawConfig, "scale", 0),
    ],
)
def test_a_value_of_no_use_is_refused_by_name(config, name, value):
    with pytest.raises(ConfigError, match=f"^{name} is .*expected"):
        config(**{name: value})


@pytest.mark.parametrize(("smallest", "largest"), [(0.5, 0.1), (200, 100)])
def test_a_smallest_face_that_is_larger_than_the_largest_is_refused(smallest, largest):
    with pytest.raises(ConfigError, match=rf"min_size is {smallest}.*max_size is {largest}"):
        DetectorConfig(min_size=smallest, max_size=largest)
