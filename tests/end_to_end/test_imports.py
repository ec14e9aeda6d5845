"""What an import may load: recognising faces needs neither TensorFlow nor matplotlib."""

import subprocess
import sys

import pytest

HEAVY = ("tensorflow", "tensorflow_datasets", "matplotlib", "optax", "orbax", "sklearn")


def loaded(statement):
    code = f"import sys\n{statement}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("statement", ["import femo_jax", "import femo_jax.model_file", "import femo_jax.cli.main"])
def test_inference_imports_are_light(statement):
    assert loaded(statement).isdisjoint(HEAVY)


def test_recognising_is_light():
    modules = loaded(
        "import numpy\n"
        "from femo_jax import EmotionRecognizer\n"
        "recognizer = EmotionRecognizer.load()\n"
        "recognizer(numpy.zeros((60, 80, 3), numpy.uint8))\n"
        "recognizer.stream()(numpy.zeros((60, 80, 3), numpy.uint8), time=0.0)"
    )
    assert modules.isdisjoint((*HEAVY, "tyro", "rclpy"))
    assert {"femo_jax", "jax", "cv2"} <= modules


def test_the_package_itself_needs_almost_nothing():
    assert loaded("import femo_jax").isdisjoint((*HEAVY, "jax", "flax", "cv2", "numpy", "scipy"))


def test_the_check_sees_what_is_loaded():
    assert "matplotlib" in loaded("import femo_jax.figures.style")
