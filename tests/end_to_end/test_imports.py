"""What an import may load: recognising faces needs neither TensorFlow nor matplotlib."""

import json
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
from skimage import data

from femo_jax.emotions import EMOTIONS

HEAVY = ("tensorflow", "tensorflow_datasets", "matplotlib", "optax", "orbax", "sklearn")


def loaded(statement):
    code = f"import sys\n{statement}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("statement", ["import femo_jax", "import femo_jax.model_file", "import femo_jax.cli.main"])
def test_inference_imports_are_light(statement):
    assert loaded(statement).isdisjoint(HEAVY)


@pytest.mark.parametrize("runtime", ["jax", "auto"])
def test_recognising_is_light(runtime):
    modules = loaded(
        "import numpy\n"
        "from femo_jax import EmotionRecognizer\n"
        f"recognizer = EmotionRecognizer.load(runtime={runtime!r})\n"
        "recognizer(numpy.zeros((60, 80, 3), numpy.uint8))\n"
        "recognizer.stream()(numpy.zeros((60, 80, 3), numpy.uint8), time=0.0)"
    )
    assert modules.isdisjoint((*HEAVY, "tyro", "rclpy", "scipy"))
    assert {"femo_jax", "cv2"} <= modules
    assert modules & {"jax", "onnxruntime"} == {"onnxruntime" if runtime == "auto" else runtime}


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
    frequencies = json.loads((run / "config.json").read_text())["class_frequencies"]
    assert frequencies == dict.fromkeys(EMOTIONS, 1 / 7)


WITHOUT = """
import sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {packages!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Forbidden())
"""
NO_JAX = ("jax", "jaxlib", "flax", "tensorflow", "scipy", "safetensors", "av", "pooch")


@pytest.fixture(scope="module")
def small_onnx(tmp_path_factory):
    from femo_jax.cli.main import main

    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    assert main(["--quiet", "export", "small", "-o", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def portrait(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "portrait.png"
    cv2.imwrite(str(path), data.astronaut()[..., ::-1])
    return path


def expected_of(portrait):
    from femo_jax import EmotionRecognizer

    (face,) = EmotionRecognizer.load("small", prior="everyday", batch_sizes=(1,))(portrait)
    return face


@pytest.mark.parametrize("missing", [NO_JAX, (*NO_JAX, "onnxruntime")], ids=["onnxruntime", "opencv"])
def test_an_onnx_model_recognises_without_jax(small_onnx, portrait, tmp_path, missing):
    faces, log = tmp_path / "faces.json", tmp_path / "faces.jsonl"
    modules = loaded(
        WITHOUT.format(packages=missing) + "from femo_jax.cli.main import main\n"
        f"model = ['--model', {str(small_onnx)!r}]\n"
        f"assert main(['--quiet', 'predict', {str(portrait)!r}, '--json', {str(faces)!r}, *model]) == 0\n"
        f"arguments = [{str(portrait)!r}, '--no-window', '--log', {str(log)!r}]\n"
        "assert main(['--quiet', 'live', *arguments, *model]) == 0"
    )
    assert modules.isdisjoint(missing)
    expected = expected_of(portrait)
    ((face,),) = (image["faces"] for image in json.loads(faces.read_text()))
    assert face["label"] == expected.label
    np.testing.assert_allclose(face["confidence"], expected.confidence, atol=1e-3)
    assert json.loads(log.read_text().splitlines()[0])["faces"][0]["label"] == expected.label


def test_an_onnx_model_is_loaded_without_what_takes_time_and_is_not_needed(small_onnx):
    modules = loaded(
        "import os; os.environ['FEMO_RUNTIME'] = 'opencv'\n"
        f"from femo_jax import EmotionRecognizer; EmotionRecognizer.load({str(small_onnx)!r})"
    )
    assert "cv2" in modules
    assert modules.isdisjoint({*NO_JAX, *HEAVY, "onnxruntime", "asyncio", "email", "http", "rich", "tyro", "unittest"})


def test_without_jax_a_shipped_model_is_its_onnx_model_and_another_is_refused_with_a_remedy(tmp_path):
    from femo_jax.weights import model_path

    mine = shutil.copy(model_path("small"), tmp_path / "mine.safetensors")
    code = WITHOUT.format(packages=(*NO_JAX, "onnxruntime")) + (
        "from femo_jax.weights import load_for_recognition\n"
        "from femo_jax.errors import ModelFileError\n"
        "assert load_for_recognition('small').path.name == 'femonet-small.onnx'\n"
        "assert load_for_recognition().path.name == 'femonet-base.onnx'\n"
        f"try:\n    load_for_recognition({str(mine)!r})\n"
        "except ModelFileError as error:\n"
        "    for remedy in ('pip install femo-jax', 'ship with femo', 'femo export MODEL -o model.onnx'):\n"
        "        assert remedy in str(error), error\n"
        "else:\n    raise SystemExit('was loaded')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
