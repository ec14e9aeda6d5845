"""The link femo_jax leads to femo's sources: what recognition needs of them is installed as femo_recognition/copy."""

from setuptools import setup
from setuptools.command.build_py import build_py

NAME = "femo_recognition"
COPY = f"{NAME}.copy.femo_jax"

PACKAGES = (
    "live",
    "live.detection",
    "live.drawing",
    "live.sources",
    "weights",
)
"""Packages of femo_jax that recognition needs, beside its modules."""

LEFT_OUT = ("model_file", "runs", "scratch", "signals")
"""Modules of femo_jax that it does not need."""


class BuildWithoutOthers(build_py):
    """Copies the modules of a package, but for those that are left out."""

    def find_package_modules(self, package, package_dir):
        """Return package, module and file of each."""
        found = super().find_package_modules(package, package_dir)
        return [each for each in found if package != COPY or each[1] not in LEFT_OUT]


setup(
    name=NAME,
    version="0.2.0",
    description="femo's facial emotion recognition without pip",
    license="MIT",
    maintainer="femo contributors",
    maintainer_email="femo@users.noreply.github.com",
    packages=[NAME, COPY, *(f"{COPY}.{package}" for package in PACKAGES)],
    package_dir={COPY: "femo_jax"},
    package_data={
        f"{COPY}.live.detection": ["cascades/*.xml"],
        f"{COPY}.weights": ["femonet-small.onnx", "femonet-small.json"],
    },
    cmdclass={"build_py": BuildWithoutOthers},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml", "LICENSE", "LICENSE-cascades"]),
    ],
    install_requires=["setuptools"],
    # Without this extra, `colcon test` finds no test runner, runs nothing and passes.
    extras_require={"test": ["pytest"]},
    zip_safe=False,
)
