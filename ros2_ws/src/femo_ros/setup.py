from pathlib import Path

from setuptools import find_packages, setup

NAME = "femo_ros"


def files(pattern):
    return sorted(map(str, Path().glob(pattern)))


setup(
    name=NAME,
    version="0.2.0",
    description="Live facial emotion recognition on a camera's topic",
    license="MIT",
    maintainer="femo contributors",
    maintainer_email="femo@users.noreply.github.com",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml", "LICENSE"]),
        (f"share/{NAME}/launch", files("launch/*.launch.*")),
        (f"share/{NAME}/config", files("config/*")),
    ],
    install_requires=["setuptools"],
    # Without this extra, `colcon test` finds no test runner, runs nothing and passes.
    extras_require={"test": ["pytest"]},
    entry_points={
        "console_scripts": [
            "emotion_recognizer = femo_ros.emotion_recognizer:main",
            "video_source = femo_ros.video_source:main",
        ]
    },
    zip_safe=True,
)
