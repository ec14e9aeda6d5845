import pytest

from femo_jax.errors import ConfigError
from femo_jax.live.config import DetectorConfig
from femo_jax.live.detection import create_detector, yunet
from femo_jax.live.detection.haar import HaarDetector
from femo_jax.live.detection.yunet import YuNetDetector


def test_the_kind_decides_which_detector_is_made(tmp_path, monkeypatch):
    assert isinstance(create_detector(DetectorConfig()), HaarDetector)

    monkeypatch.setattr(YuNetDetector, "_run", lambda self, image: None)
    monkeypatch.setattr(yunet, "_load", lambda path, score: None)
    path = tmp_path / "yunet.onnx"
    path.touch()
    assert isinstance(create_detector(DetectorConfig(kind="yunet", model=path)), YuNetDetector)


@pytest.mark.parametrize("kind", ["haar", "yunet"])
def test_a_missing_file_is_reported(tmp_path, kind):
    with pytest.raises(ConfigError, match="nowhere: no such"):
        create_detector(DetectorConfig(kind=kind, model=tmp_path / "nowhere"))
