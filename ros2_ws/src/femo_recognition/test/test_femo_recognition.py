"""What is installed recognises with NumPy and OpenCV alone, and is what the manifest says."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

FOLDER = Path(__file__).parent.parent
COPY = Path("femo_recognition", "copy")
FROM_PIP = ("av", "flax", "jax", "jaxlib", "onnxruntime", "pooch", "rich", "safetensors", "scipy", "tensorflow", "tyro")

RECOGNISE = """
import sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Forbidden())
import femo_recognition
femo_recognition.provide()
import femo_jax, numpy
recognizer = femo_jax.EmotionRecognizer.load()
noise = numpy.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=numpy.uint8)
recognizer(noise), recognizer.stream()(noise, 0.0)
face = recognizer.cropped(noise)
assert abs(face.probabilities.sum() - 1) < 1e-5
print(femo_jax.__file__, recognizer.model.path.name, face.label in recognizer.class_names)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that setup.py builds."""
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "setup.py", "--quiet", "egg_info", "--egg-base", folder, "build_py"]
    built = subprocess.run([*command, "--build-lib", folder], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def recognise(folder, *path):
    """What RECOGNISE prints with these folders before all others."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    code = RECOGNISE.format(missing=FROM_PIP)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_it_recognises_with_numpy_and_opencv_alone(installed):
    """With the model and the cascades that it carries, by the names that femo has for them."""
    file, model, known = recognise(installed, installed, installed / COPY)
    assert (Path(file), model, known) == (installed / COPY / "femo_jax" / "__init__.py", "femonet-small.onnx", "True")


def test_a_femo_of_pip_comes_first(installed, tmp_path, monkeypatch):
    """Which may have JAX; and without one, the copy is found."""
    (tmp_path / "femo_jax").mkdir()
    (tmp_path / "femo_jax" / "__init__.py").write_text("")
    code = "import femo_recognition as f; f.provide(); import femo_jax; print(femo_jax.__file__)"
    for path, expected in (([installed, tmp_path], tmp_path), ([installed], installed / COPY)):
        # -S and -E: nothing else that is installed.
        command = [sys.executable, "-S", "-E", "-c", f"import sys; sys.path[:0] = {[*map(str, path)]!r}; {code}"]
        found = subprocess.run(command, cwd=installed, capture_output=True, text=True, check=True).stdout.strip()
        assert Path(found) == expected / "femo_jax" / "__init__.py"


def test_nothing_is_installed_that_trains(installed):
    """Nor the models of JAX."""
    parts = {path.relative_to(installed / COPY / "femo_jax").parts[0] for path in (installed / COPY).rglob("*.*")}
    assert {"live", "weights", "prior.py"} <= parts
    assert not {"train", "data", "cli", "export", "model_file.py", "runs.py"} & parts
    assert [path.name for path in (installed / COPY).rglob("*.safetensors")] == []


def test_manifest():
    """As rosdistro and REP-2004 want it, and with what is imported."""
    package = pytest.importorskip("catkin_pkg.package", reason="comes with colcon")
    warnings = []
    package.parse_package(FOLDER, warnings=warnings).validate(warnings=warnings)
    assert warnings == []
    root = ElementTree.parse(FOLDER / "package.xml").getroot()
    assert root.findtext("export/build_type") == "ament_python"
    needed = {element.text for element in root.findall("exec_depend")}
    assert needed == {"python3-numpy", "python3-opencv", "python3-scipy"}
    assert all((FOLDER / element.get("file")).is_file() for element in root.findall("license"))
    version = root.findtext("version")
    assert f'version="{version}"' in (FOLDER / "setup.py").read_text()
    assert re.search(rf"^{re.escape(version)} \(", (FOLDER / "CHANGELOG.rst").read_text(), re.MULTILINE)
    assert f'__version__ = "{version}"' in (FOLDER / "femo_jax" / "__init__.py").read_text()
    assert "quality level 4" in (FOLDER / "QUALITY_DECLARATION.md").read_text()
