"""The package files: one version, all that is installed is there, and all that is imported is declared."""

import ast
import re
import sys
from configparser import ConfigParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

FOLDER = Path(__file__).parent.parent
PACKAGES = FOLDER.parent
ROSDEP = {"cv2": "python3-opencv", "numpy": "python3-numpy", "yaml": "python3-yaml"}
FROM_WORKSPACE = {"femo_jax"}
OPTIONAL = {"bond", "foxglove_msgs", "hri_msgs", "vision_msgs"}


def manifest(name):
    """The root of a package.xml."""
    return ElementTree.parse(PACKAGES / name / "package.xml").getroot()


def imported():
    """The modules that femo_ros imports, but for Python's own."""
    names = set()
    for path in [*(FOLDER / "femo_ros").glob("*.py"), *(FOLDER / "launch").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module)
    return {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"femo_ros"}


@pytest.mark.parametrize(("name", "build_type"), [("femo_msgs", "ament_cmake"), ("femo_ros", "ament_python")])
def test_manifests(name, build_type):
    """Format 3, with what the format wants."""
    root = manifest(name)
    assert root.get("format") == "3"
    assert root.findtext("name") == name
    assert root.findtext("license") == "MIT"
    assert root.findtext("export/build_type") == build_type
    assert not root.find("maintainer").get("email").endswith(("example.org", "example.com"))
    assert {url.get("type") for url in root.findall("url")} == {"website", "repository", "bugtracker"}
    assert len(root.findtext("description")) > 20


@pytest.mark.parametrize("name", ["femo_msgs", "femo_ros"])
def test_manifests_are_valid(name):
    """As colcon and bloom read them."""
    package = pytest.importorskip("catkin_pkg.package", reason="comes with colcon")
    warnings = []
    found = package.parse_package(PACKAGES / name, warnings=warnings)
    found.validate(warnings=warnings)
    assert warnings == []


def test_all_that_is_imported_is_declared():
    """As a rosdep key, or known to come with femo_recognition or to be optional."""
    declared = {element.text for element in manifest("femo_ros") if element.tag.endswith("depend")}
    needed = {ROSDEP.get(name, name) for name in imported() - FROM_WORKSPACE - OPTIONAL}
    assert needed - declared == set()
    assert "femo_recognition" in declared  # which has femo_jax where pip does not
    assert not OPTIONAL & declared


def test_there_is_one_version():
    """In all files that state it."""
    setup = (FOLDER / "setup.py").read_text()
    stated = {manifest("femo_msgs").findtext("version"), manifest("femo_ros").findtext("version")}
    assert stated | {re.search(r'version="(.+)"', setup)[1]} == {"0.2.0"}


@pytest.mark.parametrize("name", ["femo_msgs", "femo_ros"])
def test_a_package_has_its_licence_changelog_and_quality_declaration(name):
    """Beside its manifest, as rosdistro and REP-2004 want them."""
    folder = PACKAGES / name
    assert manifest(name).find("license").get("file") == "LICENSE"
    assert "MIT License" in (folder / "LICENSE").read_text()
    title, changes = (folder / "CHANGELOG.rst").read_text().split("\n\n", 1)
    assert title.splitlines()[1] == f"Changelog for package {name}"
    assert re.search(rf"^{re.escape(manifest(name).findtext('version'))} \(", changes, re.MULTILINE)
    assert "quality level 4" in (folder / "QUALITY_DECLARATION.md").read_text()


def test_executables_exist():
    """Each names a module with a main function that runs as a program, too."""
    points = re.findall(r'"(\w+) = femo_ros\.(\w+):main"', (FOLDER / "setup.py").read_text())
    assert [name for name, _ in points] == ["emotion_recognizer", "video_source"]
    for _, module in points:
        tree = ast.parse((FOLDER / "femo_ros" / f"{module}.py").read_text())
        assert "main" in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        assert isinstance(tree.body[-1], ast.If), "python -m must work as well"


def test_executables_are_started_by_the_python_of_the_shell():
    """That of an activated virtual environment, not the one that ran colcon; and ros2 run finds them."""
    config = ConfigParser()
    config.read(FOLDER / "setup.cfg")
    assert config["build_scripts"]["executable"] == "/usr/bin/env python3"
    assert config["install"]["install_scripts"] == config["develop"]["script_dir"] == "$base/lib/femo_ros"


def test_colcon_test_finds_a_test_runner():
    """Without this extra it runs nothing and passes."""
    assert 'extras_require={"test": ["pytest"]}' in (FOLDER / "setup.py").read_text()


def test_sources_are_of_python_3_10():
    """The Python of ROS 2 Humble."""
    for path in FOLDER.rglob("*.py"):
        ast.parse(path.read_text(), feature_version=(3, 10))
