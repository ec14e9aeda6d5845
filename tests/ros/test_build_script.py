"""ros2_ws/wheels/build.sh: what it says where it cannot work, and the environment that it leaves behind."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "ros2_ws" / "wheels" / "build.sh"
VENV = Path(sys.prefix)
TOOLS = ["sh", "env", "dirname", "mkdir", "rm", "cat", "grep", "tr", "paste", "touch", "getconf", "make"]


def run(*command, **environment):
    """The finished process, with nothing but these variables."""
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def run_with_sourced_ros(folder, colcon, python):
    """The finished process with a sourced Jazzy; `colcon` and the Python of the environment are shell scripts."""
    venv = folder / "venv"
    (venv / "bin").mkdir(parents=True)
    for program, script in ((folder / "colcon", colcon), (venv / "bin" / "python", python)):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return run(SCRIPT, str(venv), PATH=path, ROS_DISTRO="jazzy", AMENT_PREFIX_PATH="/opt/ros/jazzy")


@pytest.mark.parametrize("arguments", [[], ["/nowhere"], ["/tmp"]])
def test_it_wants_a_virtual_environment(arguments):
    """And says so."""
    result = run(SCRIPT, *arguments, PATH=os.environ["PATH"])
    assert result.returncode == 2
    assert "expected the folder of a virtual environment" in result.stderr


def test_a_missing_compiler_is_told_before_anything_is_done(tmp_path):
    """With the packages that bring it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in TOOLS:
        (programs / tool).symlink_to(shutil.which(tool))
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    result = run(SCRIPT, str(venv), PATH=str(programs))
    assert result.returncode == 2
    assert "no c++" in result.stderr
    assert "sudo apt install build-essential python3-dev" in result.stderr
    assert list((venv / "ros").iterdir()) == []


def test_a_sourced_ros_of_another_python_is_reported(tmp_path):
    """The virtual environment must be made by the Python of ROS."""
    result = run_with_sourced_ros(tmp_path, "exit 1", '[ "$1" = --version ] && echo Python 3.99 || exit 1')
    assert result.returncode == 2
    assert f"Python 3.99 in {tmp_path / 'venv'} cannot import rclpy of ROS 2 jazzy" in result.stderr


def test_a_distribution_without_wheels_is_refused():
    """With those that have them."""
    result = run(SCRIPT, str(VENV), "lunar", PATH=os.environ["PATH"])
    assert result.returncode == 2
    assert "no wheels of ROS 2 lunar; expected jazzy or kilted" in result.stderr


@pytest.mark.parametrize(
    ("faked", "here"),
    [
        ("platform.machine = lambda: 'aarch64'", "Python {}.{} on Linux aarch64"),
        ("sys.version_info = (3, 14, 0)", "Python 3.14 on Linux x86_64"),
    ],
)
def test_a_machine_without_wheels_is_told_before_anything_is_done(tmp_path, faked, here):
    """With its name, and what to do instead."""
    (tmp_path / "sitecustomize.py").write_text(f"import platform, sys\n{faked}\n")
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    result = run(SCRIPT, str(venv), PATH=os.environ["PATH"], PYTHONPATH=str(tmp_path))
    assert result.returncode == 2
    assert (
        f"x86-64 Linux alone, and this is {here.format(*sys.version_info)}: install and source ROS 2" in result.stderr
    )
    assert list((venv / "ros").iterdir()) == []


@pytest.mark.parametrize(
    ("given", "venv", "distro", "lock"),
    [([], ".venv", "jazzy", "ros.txt"), (["DISTRO=kilted"], ".venv-kilted", "kilted", "ros-kilted.txt")],
)
def test_the_light_path_leaves_out_what_training_needs(given, venv, distro, lock):
    """`make ros` alone installs recognition and ROS, each distribution into an environment of its own."""
    root = SCRIPT.parents[2]
    make = ["make", "-C", str(root), "--dry-run", "--always-make", "ros", *given]
    commands = subprocess.run(make, capture_output=True, text=True, check=True).stdout
    assert f"ros2_ws/wheels/build.sh {venv} {distro}\n" in commands
    assert "requirements/dev.txt" not in commands
    requirements = (root / "requirements" / lock).read_text()
    assert f"ros-{distro}-rclpy" in requirements
    assert "tensorflow" not in requirements


def test_a_failed_build_shows_what_it_said(tmp_path):
    """And ends with another code than what could not start."""
    result = run_with_sourced_ros(tmp_path, "echo no such message >&2\nexit 4", "exit 0")
    assert result.returncode == 1
    assert "no such message\nros2_ws/wheels/build.sh: the build failed" in result.stderr


def test_the_end_names_what_to_do_next(tmp_path):
    """With a sourced ROS whose tools succeed."""
    result = run_with_sourced_ros(tmp_path, "exit 0", "exit 0")
    assert result.returncode == 0, result.stderr
    assert f"    . {tmp_path}/venv/ros/env.sh\n    python -m femo_ros.emotion_recognizer" in result.stdout


@pytest.mark.skipif(not (VENV / "ros" / "env.sh").exists(), reason="the workspace was not built by `make ros`")
@pytest.mark.parametrize("times", [1, 2])
def test_sourcing_env_sh_is_enough(times):
    """In a shell that forgives nothing, once or twice: the nodes are found, and their messages."""
    source = f". {VENV}/ros/env.sh; " * times
    check = 'python -c "import femo_msgs.msg as m, femo_ros, rclpy; m.FaceEmotion.__class__.__import_type_support__()"'
    result = run("sh", "-euc", f"{source} {check}; echo $AMENT_PREFIX_PATH; echo $PATH", PATH="/usr/bin:/bin")
    assert result.returncode == 0, result.stderr
    prefixes, path = (line.split(os.pathsep) for line in result.stdout.splitlines())
    assert len(prefixes) == len(set(prefixes))
    assert path.count(str(VENV / "bin")) == 1


@pytest.mark.skipif(not (VENV / "ros" / "env.sh").exists(), reason="the workspace was not built by `make ros`")
def test_env_sh_does_not_hinder_another_environment():
    """Whose ROS wheels must find their own libraries: the mark that this was done is not handed on."""
    result = run("sh", "-euc", f". {VENV}/ros/env.sh; env", PATH="/usr/bin:/bin", _ROS_WHEELS_BOOTSTRAP_COMPLETE="1")
    assert "_ROS_WHEELS_BOOTSTRAP_COMPLETE" not in result.stdout
