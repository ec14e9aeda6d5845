"""What is installed: locked versions with hashes, and a wheel that holds everything femo needs at run time."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import femo_jax

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
LOCKS = {"dev": ("train", "onednn", "tensorboard", "dev"), "ros": ("ros",), "ros-kilted": ("ros-kilted",)}
"""Each file of `requirements/` with the extras that it holds, beside the base dependencies."""

NEWEST = "3.14"
"""The newest Python for which recognition has all its packages; Ubuntu 26.04 and ROS 2 Lyrical have it."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def locked(name: str) -> dict[str, list[tuple[Requirement, list[str]]]]:
    """Entries of a file of `requirements/` by package, each with the digests of its files."""
    entries: dict[str, list[tuple[Requirement, list[str]]]] = {}
    for entry in (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ").splitlines():
        requirement, *hashes = entry.split(" --hash=")
        parsed = Requirement(requirement)
        entries.setdefault(canonicalize_name(parsed.name), []).append((parsed, hashes))
    return entries


def wanted(extras) -> list[Requirement]:
    """The base dependencies and those of some extras; an extra of femo itself stands for its own dependencies."""
    texts = [*PROJECT["dependencies"], *(text for extra in extras for text in PROJECT["optional-dependencies"][extra])]
    requirements = []
    for requirement in map(Requirement, texts):
        if requirement.name == PROJECT["name"]:
            requirements += wanted(requirement.extras)
        else:
            requirements.append(requirement)
    return requirements


def version(requirement: Requirement) -> Version:
    (pin,) = requirement.specifier
    assert pin.operator == "==", f"{requirement} is not an exact version"
    return Version(pin.version)


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_file_has_a_digest(name):
    for entries in locked(name).values():
        for requirement, hashes in entries:
            assert version(requirement)
            assert hashes, f"{requirement} has no digest"
            assert all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", digest) for digest in hashes), requirement


@pytest.mark.parametrize("name", LOCKS)
def test_locked_versions_are_those_that_the_project_admits(name):
    """Fails after a change of dependencies in pyproject.toml until `make lock` has run."""
    entries = locked(name)
    for requirement in wanted(LOCKS[name]):
        found = entries.get(canonicalize_name(requirement.name), [])
        assert found, f"requirements/{name}.txt lacks {requirement}; run `make lock`"
        for pinned, _ in found:
            assert version(pinned) in requirement.specifier, f"{pinned} is not in {requirement}; run `make lock`"


def test_all_locks_agree():
    """But for the packages of ROS 2 itself, of which there are two distributions."""
    versions: dict[tuple[str, str], set[str]] = {}
    for name in LOCKS:
        for package, entries in locked(name).items():
            if package.startswith("ros-"):
                continue
            for requirement, _ in entries:
                versions.setdefault((package, str(requirement.marker)), set()).add(str(requirement.specifier))
    shared = {package for package in locked("dev") if package in locked("ros")}
    assert {"jax", "numpy"} <= shared
    for (package, marker), pins in versions.items():
        assert len(pins) == 1, f"{package} ({marker}) is locked at {pins}"


def test_both_readme_commands_install_by_digest():
    installs = [
        line
        for path in ("Makefile", "ros2_ws/wheels/build.sh")
        for line in (ROOT / path).read_text().splitlines()
        if "pip install" in line and "--requirement" in line
    ]
    assert len(installs) == 4  # in each, pip first
    assert all("--require-hashes" in line for line in installs)


def test_the_hook_before_a_commit_has_the_ruff_of_make_lint():
    ((ruff, _),) = locked("dev")["ruff"]
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert re.search(r"ruff-pre-commit\n\s+rev: v(\S+)", hooks).group(1) == str(version(ruff))


def test_the_citation_names_the_version_of_the_package():
    assert re.search(r"(?m)^version: (\S+)$", (ROOT / "CITATION.cff").read_text()).group(1) == femo_jax.__version__


def test_classifiers_name_every_python_from_the_oldest_to_the_newest():
    prefix = "Programming Language :: Python :: "
    named = [each.removeprefix(prefix) for each in PROJECT["classifiers"] if each.startswith(prefix)]
    oldest = PROJECT["requires-python"].removeprefix(">=")
    minors = range(int(oldest.split(".")[1]), int(NEWEST.split(".")[1]) + 1)
    assert named == [f"3.{minor}" for minor in minors]


def test_make_setup_names_what_works_on_a_newer_python(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.version_info = (3, 14, 0)\n")
    make = ["make", "-C", str(ROOT), "setup", f"VENV={tmp_path / 'venv'}", f"PYTHON={sys.executable}"]
    done = subprocess.run(make, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode
    assert "Recognition has them for newer ones as well: pip install . in a virtual environment" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_make_onnx_exports_every_shipped_model_for_a_release_and_for_the_package():
    make = ["make", "-C", str(ROOT), "--dry-run", "--always-make", "onnx"]
    commands = subprocess.run(make, capture_output=True, text=True, check=True).stdout
    models = sorted(path.stem for path in (ROOT / "femo_jax" / "weights").glob("*.safetensors"))
    expected = [(model, f"{folder}/{model}.onnx") for folder in ("dist", "femo_jax/weights") for model in models]
    assert sorted(re.findall(r"femo export (\S+) --output (\S+)", commands)) == sorted(expected)
    assert "/dist/" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.fixture(scope="module")
def index():
    """Calls pip, with the package index that it is configured for; skips without network."""
    if Version(importlib.metadata.version("pip")) < Version("22.2"):
        pytest.skip("pip before 22.2 has no --dry-run")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    probe = [*pip, "index", "--retries", "0", "--timeout", "5", "versions", "numpy"]
    if subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("the package index is out of reach")
    return pip


@pytest.mark.integration
@pytest.mark.parametrize("name", ["base", "lite"])
def test_packages_for_the_newest_python(index, name, tmp_path):
    """The locked versions of all dependencies have wheels for it, on x86-64 Linux.

    pip takes markers and Requires-Python for those of the Python that it runs with. Hence versions are chosen before,
    and Requires-Python is compared after.
    """
    newest = {"python_version": NEWEST, "python_full_version": f"{NEWEST}.0", "sys_platform": "linux"}
    if name == "base":
        asked = wanted(())
        pins = map(Requirement, (ROOT / "constraints.txt").read_text().splitlines())
    else:
        lines = (ROOT / "requirements" / "lite.in").read_text().splitlines()
        asked = [Requirement(line) for line in lines if line and not line.startswith("#")]
        pins = [requirement for entries in locked("lite").values() for requirement, _ in entries]
    chosen = {each.name: version(each) for each in pins if each.marker is None or each.marker.evaluate(newest)}
    (tmp_path / "pins.txt").write_text("".join(f"{name}=={pin}\n" for name, pin in chosen.items()))
    report = tmp_path / "report.json"
    command = [*index, "install", "--quiet", "--dry-run", "--report", report, "--ignore-requires-python"]
    command += ["--python-version", NEWEST, "--only-binary", ":all:"]
    command += ["--target", tmp_path / "target", "--constraint", tmp_path / "pins.txt", *map(str, asked)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    resolved = {each["metadata"]["name"]: each["metadata"] for each in json.loads(report.read_text())["install"]}
    assert Version(resolved["numpy"]["version"]) == chosen["numpy"]
    for package, metadata in resolved.items():
        assert NEWEST in SpecifierSet(metadata.get("requires_python", "")), package


@pytest.fixture(scope="module")
def distributions(tmp_path_factory) -> dict[str, Path]:
    """The sdist and the wheel of the files that git tracks, as `python -m build` makes them."""
    if not (ROOT / ".git").exists():
        pytest.skip("only a clone knows which files belong to the project")
    sources, out = tmp_path_factory.mktemp("sources") / "femo", tmp_path_factory.mktemp("dist")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file():
            (sources / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, sources / name)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, sources]
    done = subprocess.run(command, capture_output=True, text=True, cwd=out)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return {"wheel": wheel, "sdist": sdist}


@pytest.mark.integration
def test_wheel_and_sdist_hold_every_file_of_the_package(distributions):
    tracked = subprocess.run(["git", "ls-files", "femo_jax"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = {name for name in tracked.stdout.split() if (ROOT / name).is_file() and not Path(name).name.startswith(".")}
    assert {Path(name).suffix for name in files} >= {".py", ".safetensors", ".cc", ".h", ".md", ".txt"}
    with zipfile.ZipFile(distributions["wheel"]) as wheel:
        assert files <= set(wheel.namelist())
    with tarfile.open(distributions["sdist"]) as sdist:
        assert files <= {name.split("/", 1)[1] for name in sdist.getnames() if "/" in name}


@pytest.mark.integration
def test_the_installed_wheel_works_outside_the_clone(distributions, tmp_path):
    """Its dependencies are those of the environment of the tests; femo itself comes from the wheel alone."""
    installed = tmp_path / "installed"
    installed.mkdir()
    with zipfile.ZipFile(distributions["wheel"]) as wheel:
        wheel.extractall(installed)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path = os.pathsep.join([str(installed), sysconfig.get_path("purelib")])
    code = (
        "import femo_jax, numpy\n"
        "recognizer = femo_jax.EmotionRecognizer.load('small')\n"
        "print(femo_jax.__file__)\n"
        "print(recognizer(numpy.zeros((60, 80, 3), numpy.uint8)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(installed / "femo_jax" / "__init__.py"), "[]"]


def test_the_installation_without_jax_is_the_base_less_what_it_does_without():
    base = {canonicalize_name(each.name): each.specifier for each in wanted(())}
    base["opencv-python-headless"] = base.pop("opencv-python")
    lines = (ROOT / "requirements" / "lite.in").read_text().splitlines()
    lite = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert {each.name for each in lite} == base.keys() - {"jax", "flax", "scipy", "av", "pooch", "safetensors"}
    for each in lite:
        assert each.specifier == base[each.name], each
    entries = locked("lite")
    assert {each.name for each in lite} <= entries.keys()
    assert entries.keys().isdisjoint({"jax", "jaxlib", "flax", "scipy", "tensorflow"})
    constraints = set(map(Requirement, (ROOT / "constraints.txt").read_text().splitlines()))
    for name, pins in entries.items():
        for requirement, hashes in pins:
            assert hashes
            assert name == "opencv-python-headless" or requirement in constraints, requirement
