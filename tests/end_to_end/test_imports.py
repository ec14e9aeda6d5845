"""What an import may load: recognising faces needs neither TensorFlow nor matplotlib."""

import subprocess
import sys

import numpy as np
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


@pytest.mark.integration
def test_data_are_prepared_and_learned_without_tensorflow(tmp_path):
    rng = np.random.default_rng(0)
    usages = ["Training"] * 4 + ["PublicTest"]
    rows = [
        f"{code},{' '.join(map(str, rng.integers(0, 256, 48 * 48)))},{usage}" for code in range(7) for usage in usages
    ]
    source, data, run = tmp_path / "fer2013.csv", tmp_path / "prepared", tmp_path / "run"
    source.write_text("\n".join(["emotion,pixels,Usage", *rows]))
    config = tmp_path / "tiny.py"
    config.write_text(
        "from femo_jax.train.config import TrainConfig\n"
        'config = TrainConfig(model="simple_cnn", model_options={"widths": (4, 4, 4, 4), "dense": 8}, batch_size=14)\n'
    )
    training = ["train", str(config), "--data", str(data), "--workdir", str(run), "--ops", "xla", "--epochs", "1"]
    modules = loaded(
        "sys.modules['tensorflow'] = sys.modules['tensorflow_datasets'] = None\n"
        "from femo_jax.cli.main import main\n"
        f"assert main(['--quiet', 'data', 'prepare', {str(source)!r}, '--data-dir', {str(data)!r}]) == 0\n"
        f"assert main({['--quiet', *training]!r}) == 0\n"
        "del sys.modules['tensorflow'], sys.modules['tensorflow_datasets']"
    )
    assert modules.isdisjoint(("tensorflow", "tensorflow_datasets"))
    assert (run / "metrics.jsonl").read_text().strip()
