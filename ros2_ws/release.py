"""Write the sources of the workspace's packages as a release has them, and their debian/ folders.

    python ros2_ws/release.py dist/ros
    python ros2_ws/release.py dist/ros --debian jazzy ubuntu noble

The link from femo_recognition to femo's own sources is replaced by the files that it installs, so that each folder is
whole; bloom takes a branch for each package. `--debian` has bloom write debian/ into each of them; it takes bloom, and
rosdep's lists and rosdistro's index from where rosdep and bloom are configured to find them.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

WORKSPACE = Path(__file__).resolve().parent
PACKAGES = ("femo_msgs", "femo_recognition", "femo_ros")
LINK, COPY = "femo_recognition/femo_jax", "femo_recognition/copy/femo_jax"
LISTS = Path("/etc/ros/rosdep/sources.list.d")


def refuse(why: str) -> None:
    """End the program with code 2."""
    print(f"release.py: {why}", file=sys.stderr)
    sys.exit(2)


def run(command: Sequence[str | Path], folder: Path, **environment: str) -> str:
    """Run a program and return its output; where it fails, the program ends with that."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        refuse(f"{' '.join(map(str, command))} failed in {folder}:\n{done.stdout}")
    return done.stdout


def write_sources(out: Path) -> None:
    """Copy what git tracks of the packages, with the files that femo_recognition installs in place of its link."""
    sources = WORKSPACE / "src"
    for name in filter(None, run(["git", "ls-files", "-z", *PACKAGES], sources).split("\0")):
        if name != LINK:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(sources / name, out / name)
    with tempfile.TemporaryDirectory() as built:
        setup = ["setup.py", "--quiet", "egg_info", "--egg-base", built, "build_py", "--build-lib", built]
        run([sys.executable, *setup], sources / "femo_recognition")
        shutil.copytree(Path(built) / COPY, out / LINK)


def write_debian(out: Path, distro: str, os_name: str, os_version: str) -> None:
    """Have bloom write debian/ into each package."""
    bloom, rosdep = shutil.which("bloom-generate"), shutil.which("rosdep")
    if bloom is None or rosdep is None:
        refuse("no bloom-generate and rosdep on the path: pip install bloom")
    with tempfile.TemporaryDirectory() as folder:
        lists = Path(folder) / "lists"
        for given in filter(None, os.environ.get("ROSDEP_SOURCE_PATH", str(LISTS)).split(os.pathsep)):
            if not Path(given).is_dir():
                refuse(f"no lists of rosdep in {given}: sudo rosdep init")
            shutil.copytree(given, lists, dirs_exist_ok=True)
        # The packages need each other, and rosdistro does not list them before they are released.
        rules = Path(folder) / "femo.yaml"
        rules.write_text("".join(f"{name}: {{{os_name}: [{debian_name(name, distro)}]}}\n" for name in PACKAGES))
        (lists / "50-femo.list").write_text(f"yaml {rules.as_uri()}\n")
        environment = {"ROSDEP_SOURCE_PATH": str(lists), "ROS_HOME": folder}
        run([rosdep, "update", "--rosdistro", distro], out, **environment)
        for name in PACKAGES:
            generate = [bloom, "rosdebian", "--os-name", os_name, "--os-version", os_version, "--ros-distro", distro]
            run(generate, out / name, **environment)


def debian_name(package: str, distro: str) -> str:
    """The name of a ROS package in Debian's index."""
    return f"ros-{distro}-{package.replace('_', '-')}"


def main() -> None:
    """Write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="new folder; beside it goes a tar archive of the same name")
    parser.add_argument("--debian", nargs=3, metavar=("DISTRO", "OS", "VERSION"), help="as in jazzy ubuntu noble")
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    if out.exists():
        refuse(f"{arguments.out} exists: name a new folder")
    write_sources(out)
    version = ElementTree.parse(out / "femo_ros" / "package.xml").getroot().findtext("version")
    archive = shutil.make_archive(f"{out}-{version}", "gztar", out.parent, out.name)
    print(f"wrote {out} and {archive}")
    if arguments.debian:
        write_debian(out, *arguments.debian)
        print(f"wrote {', '.join(f'{name}/debian' for name in PACKAGES)}")


if __name__ == "__main__":
    main()
