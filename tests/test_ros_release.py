"""ros2_ws/release.py: sources of the ROS packages that are whole, recognise with Ubuntu's packages, and suit bloom."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from skimage import data

from femo_jax import EmotionRecognizer

ROOT = Path(__file__).parents[1]
PACKAGES = ("femo_msgs", "femo_recognition", "femo_ros")
SYSTEM_PYTHON = Path("/usr/bin/python3")

KEYS = ("python3-numpy", "python3-opencv", "python3-pytest", "python3-scipy", "python3-yaml")
"""Keys of https://github.com/ros/rosdistro/blob/master/rosdep/python.yaml; each is a package of that name on Ubuntu."""

ROS = (
    "ament_cmake",
    "ament_cmake_pytest",
    "ament_index_python",
    "builtin_interfaces",
    "diagnostic_msgs",
    "geometry_msgs",
    "launch",
    "launch_ros",
    "launch_xml",
    "lifecycle_msgs",
    "rcl_interfaces",
    "rclpy",
    "rosidl_default_generators",
    "rosidl_default_runtime",
    "sensor_msgs",
    "std_msgs",
    "std_srvs",
)
"""Packages of https://github.com/ros/rosdistro/blob/master/jazzy/distribution.yaml."""


def manifest(package: str) -> ElementTree.Element:
    return ElementTree.parse(ROOT / "ros2_ws" / "src" / package / "package.xml").getroot()


def test_every_dependency_is_a_key_that_rosdep_knows():
    keys = {each.text for package in PACKAGES for each in manifest(package) if each.tag.endswith("depend")}
    assert keys == {*KEYS, *ROS, "femo_msgs", "femo_recognition"}


def release(out: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, ROOT / "ros2_ws" / "release.py", out, *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Path:
    """The folder of a release."""
    if not (ROOT / ".git").exists():
        pytest.skip("only a clone knows which files belong to the packages")
    out = tmp_path_factory.mktemp("release") / "femo-ros"
    done = release(out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.integration
def test_a_release_is_whole(released):
    files = [path for path in released.rglob("*") if not path.is_dir()]
    assert not [path for path in files if path.is_symlink()]
    assert sorted(path.name for path in released.iterdir()) == list(PACKAGES)
    copied = released / "femo_recognition" / "femo_jax"
    assert (copied / "live" / "recognizer.py").read_bytes() == (ROOT / "femo_jax/live/recognizer.py").read_bytes()
    assert not (copied / "train").exists()
    version = manifest("femo_ros").findtext("version")
    with tarfile.open(f"{released}-{version}.tar.gz") as archive:
        names = [member.name for member in archive if member.isfile()]
    assert sorted(names) == sorted(str(path.relative_to(released.parent)) for path in files)


@pytest.mark.integration
def test_a_release_does_not_overwrite(released):
    done = release(released)
    assert (done.returncode, done.stdout) == (2, "")
    assert "exists: name a new folder" in done.stderr


@pytest.mark.integration
def test_it_recognises_with_what_the_distribution_has(released, tmp_path):
    """OpenCV and NumPy of Debian or Ubuntu, in which femo has to be able to read its own ONNX model."""
    without_pip = {"PATH": "/usr/bin:/bin"}
    has_opencv = subprocess.run([SYSTEM_PYTHON, "-I", "-c", "import cv2"], env=without_pip, capture_output=True)
    if has_opencv.returncode:
        pytest.skip(f"{SYSTEM_PYTHON} has no OpenCV: apt install python3-opencv")
    cv2.imwrite(str(tmp_path / "face.png"), data.astronaut()[..., ::-1])
    code = (
        "import femo_recognition; femo_recognition.provide(); from femo_jax import EmotionRecognizer\n"
        f"(face,) = EmotionRecognizer.load()({str(tmp_path / 'face.png')!r}); print(face.label, face.confidence)\n"
    )
    path = {"PYTHONPATH": str(released / "femo_recognition"), "PYTHONNOUSERSITE": "1"}
    done = subprocess.run(
        [SYSTEM_PYTHON, "-c", code], cwd=tmp_path, env={**without_pip, **path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    label, confidence = done.stdout.split()
    (expected,) = EmotionRecognizer.load("small", batch_sizes=(1,))(tmp_path / "face.png")
    assert label == expected.label
    np.testing.assert_allclose(float(confidence), expected.confidence, atol=1e-3)


INDEX = """%YAML 1.1
---
distributions:
  jazzy:
    distribution: [jazzy/distribution.yaml]
    distribution_cache: {cache}
    distribution_status: active
    distribution_type: ros2
    python_version: 3
type: index
version: 4
"""

DISTRIBUTION = """%YAML 1.1
---
release_platforms:
  ubuntu: [noble]
repositories: {}
type: distribution
version: 2
"""


@pytest.fixture
def rosdistro(tmp_path) -> dict[str, str]:
    """Variables by which bloom and rosdep take KEYS and ROS, and an index of jazzy alone, without network."""
    folder = tmp_path / "rosdistro"
    (folder / "jazzy").mkdir(parents=True)
    (folder / "lists").mkdir()
    cache = folder / "cache.yaml"
    (folder / "index.yaml").write_text(INDEX.replace("{cache}", cache.as_uri()))
    (folder / "jazzy" / "distribution.yaml").write_text(DISTRIBUTION)
    cache.write_text(
        "distribution_file:\n- release_platforms: {ubuntu: [noble]}\n  repositories: {}\n  type: distribution\n"
        "  version: 2\nname: jazzy\nrelease_package_xmls: {}\nsource_repo_package_xmls: {}\ntype: cache\nversion: 2\n"
    )
    names = {**{key: key for key in KEYS}, **{name: f"ros-jazzy-{name.replace('_', '-')}" for name in ROS}}
    (folder / "rules.yaml").write_text("".join(f"{key}: {{ubuntu: [{name}]}}\n" for key, name in names.items()))
    (folder / "lists" / "20-default.list").write_text(f"yaml {(folder / 'rules.yaml').as_uri()}\n")
    return {
        "ROSDISTRO_INDEX_URL": (folder / "index.yaml").as_uri(),
        "ROSDEP_SOURCE_PATH": str(folder / "lists"),
        "HOME": str(tmp_path),
    }


@pytest.mark.integration
def test_bloom_writes_the_folders_of_debian(released, rosdistro, tmp_path):
    if shutil.which("bloom-generate") is None:
        pytest.skip("bloom is not installed (pip install bloom, in an environment of its own on the PATH)")
    out = tmp_path / "femo-ros"
    done = release(out, "--debian", "jazzy", "ubuntu", "noble", **rosdistro)
    assert done.returncode == 0, done.stderr
    controls = {package: (out / package / "debian" / "control").read_text() for package in PACKAGES}
    depends = {package: re.search("^Depends: (.*)$", text, re.MULTILINE)[1] for package, text in controls.items()}
    for name in ("python3-numpy", "python3-opencv", "python3-scipy"):
        assert name in depends["femo_recognition"].split(", ")
    assert {"ros-jazzy-femo-msgs", "ros-jazzy-femo-recognition", "ros-jazzy-rclpy"} <= {
        *depends["femo_ros"].split(", ")
    }
    for package in PACKAGES:
        name = f"ros-jazzy-{package.replace('_', '-')}"
        assert f"\nPackage: {name}\n" in controls[package]
        changes = (out / package / "debian" / "changelog").read_text()
        assert changes.startswith(f"{name} ({manifest(package).findtext('version')}-0noble)")


@pytest.mark.integration
def test_a_dependency_that_rosdep_does_not_know_is_named(rosdistro, tmp_path):
    if shutil.which("bloom-generate") is None:
        pytest.skip("bloom is not installed (pip install bloom, in an environment of its own on the PATH)")
    rules = tmp_path / "rosdistro" / "rules.yaml"
    rules.write_text(rules.read_text().replace("python3-opencv:", "python3-other:"))
    done = release(tmp_path / "femo-ros", "--debian", "jazzy", "ubuntu", "noble", **rosdistro)
    assert done.returncode == 2
    assert "Could not resolve rosdep key 'python3-opencv'" in done.stderr
