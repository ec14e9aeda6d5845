"""A short version of `python tools/endurance.py`: memory stays flat, and nothing is compiled while live."""

import mmap
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.data import astronaut

from femo_jax import EmotionRecognizer
from femo_jax.live.config import DetectorConfig
from femo_jax.live.detection import create_detector

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from endurance import CROWD_SIZES, endure

pytestmark = pytest.mark.perf


@pytest.fixture(scope="module")
def clip():
    """A face, nothing, and the face at another place, `[480, 640, 3] uint8` BGR."""
    portrait = np.pad(astronaut()[..., ::-1], ((0, 0), (0, 128), (0, 0)))
    return [portrait[:480].copy(), np.zeros((480, 640, 3), np.uint8), portrait[10:490].copy()]


@pytest.fixture
def recognizer(random_model):
    return EmotionRecognizer(random_model, create_detector(DetectorConfig()))


class Recording:
    """Passes calls of `classify` on and notes how many faces there were."""

    def __init__(self, recognizer):
        self.counts = []
        self._classify = recognizer.classify
        recognizer.classify = self

    def __call__(self, faces):
        self.counts.append(len(faces))
        return self._classify(faces)


def test_memory_stays_flat_and_nothing_is_compiled(recognizer, clip):
    recording = Recording(recognizer)
    found = []
    detect = recognizer.detector.detect
    recognizer.detector.detect = lambda image: found.append(detect(image)) or found[-1]
    result = endure(recognizer, clip, count=3000, detect_every=50)
    assert result.failures() == []
    # The run is worth something: the detector works, faces come and go, and every batch size is used.
    assert len(found) == 3000 // 50
    assert min(map(len, found)) == 0 < max(map(len, found))
    assert len(recording.counts) == 3000
    assert min(recording.counts) == 0 and max(recording.counts) > 16
    assert result.faces > 2000
    assert result.tracks > 3000 // 20 // len(CROWD_SIZES) * sum(CROWD_SIZES) / 2


def test_memory_that_grows_is_found(recognizer, clip):
    kept = []
    classify = recognizer.classify

    def leaking(faces):
        kept.append(mmap.mmap(-1, 16_384))  # a heap may have room from the tests before this one
        kept[-1].write(b"x" * 16_384)
        return classify(faces)

    recognizer.classify = leaking
    result = endure(recognizer, clip, count=1500, detect_every=50)
    assert 15 < result.growth_mib < 40
    assert "memory grew" in result.failures()[0]


def test_a_compilation_after_the_warm_up_is_found(recognizer, clip):
    total = jax.jit(jnp.sum)
    classify = recognizer.classify

    def compiling(faces):
        total(faces)  # each new number of faces compiles
        return classify(faces)

    recognizer.classify = compiling
    result = endure(recognizer, clip, count=1200, detect_every=50)
    assert result.compilations > 0
    assert "compilations" in result.failures()[0]
