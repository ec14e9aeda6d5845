"""With an ONNX model the node loads no JAX, and on OpenCV nothing that Ubuntu lacks as a package."""

import signal
from pathlib import Path

import numpy as np
import pytest

from femo_jax.export.onnx_file import onnx_model, save_onnx_model
from femo_jax.weights import load_model

ROOT = Path(__file__).parents[3]

FROM_PIP = ("flax", "jax", "jaxlib", "onnxruntime", "pooch", "rich", "safetensors", "tensorflow", "tyro", "av")
"""Packages that femo uses and Ubuntu 24.04 lacks, or has in versions that femo does not take."""

WITHOUT = """
import atexit, sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {packages!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Forbidden())
atexit.register(lambda: print("loaded:", *sorted({{name.split(".")[0] for name in sys.modules}}), flush=True))
"""


@pytest.fixture(scope="module")
def small_onnx(tmp_path_factory):
    loaded, path = load_model("small"), tmp_path_factory.mktemp("onnx") / "small.onnx"
    save_onnx_model(path, loaded, onnx_model(loaded))
    return path


@pytest.mark.parametrize("runtime", ["onnxruntime", "opencv"])
def test_the_node_recognises_without_jax(
    start_recognizer, start_node_from_scratch, quick, camera, scene, small_onnx, runtime
):
    from femo_msgs.msg import ModelInfo
    from rclpy.qos import DurabilityPolicy, QoSProfile

    missing = [name for name in FROM_PIP if name != runtime]
    recognizer = start_recognizer(
        {**quick, "model": small_onnx},
        start_node=start_node_from_scratch,
        setup=WITHOUT.format(packages=missing),
    )
    (face,) = recognizer.faces_of(camera, scene.image)
    assert (face.label, len(face.probabilities)) == (scene.label, 7)
    np.testing.assert_allclose(sum(face.probabilities), 1, atol=1e-5)

    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    reported = recognizer.client.collect(ModelInfo, f"{recognizer.node}/model_info", latched)
    recognizer.client.spin_until(lambda: reported, "the model")
    assert (reported[0].name, reported[0].class_names[face.emotion]) == ("small", scene.label)
    assert reported[0].accuracy == pytest.approx(load_model("small").training["evaluation"]["accuracy"], abs=1e-6)

    assert recognizer.process.stop(signal.SIGINT) == 0
    loaded = set(recognizer.process.wait_for_log(r"^loaded: (.+)$")[1].split())
    assert {"femo_jax", "rclpy", "cv2"} <= loaded
    assert loaded.isdisjoint(missing)
    assert ("onnxruntime" in loaded) == (runtime == "onnxruntime")


WITHOUT_FEMO_OF_PIP = f"""
import importlib.machinery, sys

for name in [name for name in sys.modules if name.split(".")[0] == "femo_jax"]:
    del sys.modules[name]
sys.path[:] = [path for path in sys.path if path not in ("", {str(ROOT)!r})]
sys.meta_path[:] = [each for each in sys.meta_path if "editable" not in str(getattr(each, "__module__", ""))]
assert importlib.machinery.PathFinder.find_spec("femo_jax") is None
"""


def test_the_node_needs_nothing_from_pip(start_recognizer, start_node_from_scratch, quick, camera, scene):
    """The workspace brings femo and a model along, which is then the default one."""
    recognizer = start_recognizer(
        quick, start_node=start_node_from_scratch, setup=WITHOUT_FEMO_OF_PIP + WITHOUT.format(packages=FROM_PIP)
    )
    (face,) = recognizer.faces_of(camera, scene.image)
    assert face.label == scene.label
    recognizer.process.wait_for_log("Configured: femonet-small")
    assert recognizer.process.stop(signal.SIGINT) == 0


def test_a_damaged_onnx_model_fails_the_configuration(start_recognizer, quick, small_onnx, tmp_path):
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(small_onnx.read_bytes()[:-1000])
    recognizer = start_recognizer({**quick, "model": damaged})
    recognizer.process.wait_for_log(rf"{damaged}: not an ONNX model, or a truncated or damaged one")
    assert recognizer.process.running
    assert recognizer.state() == "unconfigured"
