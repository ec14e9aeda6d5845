"""What one model makes of the images of several cameras, with cameras that note what becomes of theirs."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

pytest.importorskip("femo_msgs", reason="needs ROS 2 and the workspace")

from femo_ros import pipeline as module
from femo_ros.camera_pipeline import Received
from femo_ros.parameters import Settings
from femo_ros.pipeline import Pipeline


class Camera:
    """Images are texts: `unreadable` cannot be read, and on `broken` the program fails."""

    def __init__(self, name):
        self.stream = SimpleNamespace(name=name, config=None)
        self.finished, self.failures = [], []

    @contextmanager
    def losing_alone(self):
        try:
            yield
        except BaseException as error:
            self.failed(error)

    def failed(self, error):
        self.failures.append(str(error))

    def prepare(self, received, settings):
        if received.message == "broken":
            raise SystemExit("on purpose")
        return None if received.message == "unreadable" else SimpleNamespace(frame=received.message, time=0.0)

    def finish(self, pending, result, settings):
        if result == "unpublished":
            raise RuntimeError("on purpose")
        self.finished.append((pending.frame, result))


@pytest.fixture
def cameras():
    return {name: Camera(name) for name in ("front", "rear", "side")}


@pytest.fixture
def batches(monkeypatch):
    """The streams and images that were recognised together; the result of an image is its text in capitals."""
    made = []

    def recognize_together(streams, images, times):
        made.append([(stream.name, image) for stream, image in zip(streams, images, strict=True)])
        if "fatal" in images:
            raise MemoryError("on purpose")
        return ["unpublished" if image == "unpublished" else image.upper() for image in images]

    monkeypatch.setattr(module, "recognize_together", recognize_together)
    return made


@pytest.fixture
def work(cameras):
    """A function of images by camera, which a pipeline without a model works on."""
    made = object.__new__(Pipeline)
    made._cameras = cameras
    made._live = made._applied = SimpleNamespace(settings=Settings())
    return lambda **images: made([Received(image, 0.0, name) for name, image in images.items()])


def test_images_of_several_cameras_are_recognised_together_and_each_gets_its_own_result(work, cameras, batches):
    work(rear="a", front="b")
    assert batches == [[("rear", "a"), ("front", "b")]]
    assert cameras["rear"].finished == [("a", "A")]
    assert cameras["front"].finished == [("b", "B")]
    assert cameras["side"].finished == []


@pytest.mark.parametrize(("bad", "failures"), [("unreadable", []), ("broken", ["on purpose"])])
def test_an_image_that_fails_does_not_cost_the_other_camera_its_own(work, cameras, batches, bad, failures):
    work(front=bad, rear="a")
    assert batches == [[("rear", "a")]]
    assert cameras["rear"].finished == [("a", "A")]
    assert cameras["front"].failures == failures
    assert cameras["rear"].failures == []


def test_a_result_that_cannot_be_published_does_not_cost_the_other_camera_its_own(work, cameras, batches):
    work(front="unpublished", rear="a")
    assert cameras["rear"].finished == [("a", "A")]
    assert cameras["front"].failures == ["on purpose"]


def test_recognition_that_fails_is_reported_by_the_cameras_whose_images_it_had(work, cameras, batches):
    work(front="fatal", rear="a")
    assert [each.failures for each in cameras.values()] == [["on purpose"], ["on purpose"], []]
    work(front="b")
    assert cameras["front"].finished == [("b", "B")]
