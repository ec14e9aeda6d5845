"""What the tests of recognition share: the runtime of the network, and a capture that gives what a test gives it.

    FEMO_TEST_RUNTIME=onnxruntime python -m pytest tests/live
    FEMO_TEST_RUNTIME=opencv python -m pytest tests/live

run all of them with ONNX models, to which every network is exported before it is loaded.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import cv2
import jax
import numpy as np
import pytest

from femo_jax.export import onnx_file
from femo_jax.live.recognizer import EmotionRecognizer
from femo_jax.model_file import LoadedModel
from femo_jax.onnx_model import OnnxModel, load_onnx_model
from femo_jax.runtime import VARIABLE

WANTED = os.environ.get("FEMO_TEST_RUNTIME")
RUNTIMES = (WANTED,) if WANTED else ("jax", "onnxruntime", "opencv")
"""What the tests with the fixture `load_on_runtime` run on."""


@pytest.fixture(scope="session")
def as_onnx(tmp_path_factory) -> Callable[[LoadedModel], OnnxModel]:
    """Exports a network as an ONNX model, once."""
    folder, made = tmp_path_factory.mktemp("onnx"), {}

    def export(loaded: LoadedModel) -> OnnxModel:
        digest = hashlib.sha256(repr((loaded.options, loaded.mean, loaded.std, loaded.temperature)).encode())
        for leaf in jax.tree.leaves(loaded.variables):
            digest.update(np.ascontiguousarray(leaf))
        path = folder / f"{digest.hexdigest()}.onnx"
        if path not in made:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(onnx_file, "_check_results", lambda *_: None)  # some tests want NaN
                onnx_file.save_onnx_model(path, loaded, onnx_file.onnx_model(loaded))
            made[path] = load_onnx_model(path)
        return made[path]

    return export


@contextmanager
def recognising_on(runtime: str, as_onnx: Callable[[LoadedModel], OnnxModel]) -> Iterator[None]:
    """Inside the block every recogniser runs its network on `jax`, `onnxruntime` or `opencv`."""
    made = EmotionRecognizer.__init__

    def make(recognizer, model, *arguments, **options):
        exported = as_onnx(model) if isinstance(model, LoadedModel) else model
        made(recognizer, exported, *arguments, **{**options, "runtime": runtime})

    with pytest.MonkeyPatch.context() as patch:
        if runtime == "jax":
            patch.setenv(VARIABLE, runtime)
        else:
            patch.setattr(EmotionRecognizer, "__init__", make)
        yield


@pytest.fixture(scope="module", params=RUNTIMES)
def runtime(request) -> str:
    """Each runtime of the network in turn."""
    return request.param


@pytest.fixture(scope="module")
def load_on_runtime(runtime, as_onnx) -> Callable[..., EmotionRecognizer]:
    """`EmotionRecognizer.load` on each runtime in turn."""

    def load(*arguments, **options):
        with recognising_on(runtime, as_onnx):
            return EmotionRecognizer.load(*arguments, **options)

    return load


@pytest.fixture
def compiled_by_jax() -> None:
    """A skip where another runtime was asked for, which compiles nothing."""
    if WANTED not in (None, "jax"):
        pytest.skip("about what JAX compiles")


@pytest.fixture(scope="session", autouse=WANTED is not None)
def wanted_runtime(as_onnx) -> Iterator[None]:
    """The runtime that was asked for, for all tests."""
    with recognising_on(WANTED or "jax", as_onnx):
        yield


class FakeCapture:
    """Stands in for `cv2.VideoCapture`.

    Attributes:
      frames: iterator of images; None is a damaged one, an exception is raised, and its end is the end.
      properties: what `get` answers.
      asked: what was set, in order.
      released: whether it was.
    """

    def __init__(self, frames: Iterable = (), properties: Mapping[int, float] | None = None, opened: bool = True):
        """Begins with the first of the frames."""
        self.frames = iter(frames)
        self.properties = {cv2.CAP_PROP_FPS: 30.0, **(properties or {})}
        self.opened = opened
        self.asked = []
        self.released = False
        self._current = None

    def isOpened(self):  # noqa: N802
        return self.opened

    def grab(self):
        try:
            self._current = next(self.frames)
        except StopIteration:
            return False
        return True

    def retrieve(self):
        if isinstance(self._current, Exception):
            raise self._current
        return self._current is not None, self._current

    def get(self, prop):
        value = self.properties.get(prop, 0.0)
        return next(value) if hasattr(value, "__next__") else value

    def set(self, prop, value):
        self.asked.append((prop, value))
        return True

    def release(self):
        self.released = True


@pytest.fixture
def fake_capture():
    """The class of captures that give what a test gives them."""
    return FakeCapture


@pytest.fixture
def plain():
    """Makes a small image of one grey value, which differs from that of others."""
    return lambda value, height=4, width=6: np.full((height, width, 3), value, np.uint8)


@pytest.fixture
def write_clip(tmp_path):
    """Writes frames of grey values to a clip by PyAV; gives its path."""

    def write(
        values: Sequence[int],
        name: str = "clip.avi",
        rate: float = 25.0,
        times: Sequence[float] | None = None,
        codec: str = "mjpeg",
        size: tuple[int, int] = (64, 48),
        aspect: Fraction | None = None,
        turn: int = 0,
    ) -> Path:
        path = tmp_path / name
        with av.open(f"file:{path}", "w") as clip:
            stream = clip.add_stream(codec, Fraction(rate).limit_denominator(1001))
            stream.width, stream.height = size
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.time_base = stream.codec_context.time_base = (
                Fraction(1, 1000) if times else 1 / stream.codec_context.framerate
            )
            if aspect is not None:
                stream.codec_context.sample_aspect_ratio = aspect
            if turn:
                stream.set_display_rotation(turn)
            for index, value in enumerate(values):
                image = np.full((size[1], size[0], 3), value, np.uint8)
                image[: size[1] // 4, : size[0] // 4] = 255 - image[0, 0]  # a mark at the upper left
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                frame.pts = round(1000 * times[index]) if times else index
                clip.mux(stream.encode(frame))
            clip.mux(stream.encode())
        return path

    return write
