"""The files that the pages speak of, in small: an image, clips, FER-2013 in three forms, a run, its model file."""

import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
from demo_clip import FRAMES_PER_SECOND, frames
from page_blocks import ROOT
from skimage.data import astronaut

from femo_jax.cli.main import main
from femo_jax.configs import FOLDER, config_names
from femo_jax.data.drawn import draw_face
from femo_jax.data.ferplus import VOTES
from femo_jax.emotions import Emotion
from femo_jax.live.output.video import VideoWriter
from femo_jax.train.config import load_config

FACES = {"Training": 19, "PublicTest": 3, "PrivateTest": 3}
"""Faces of each class in each split: those of Training are one batch of 128, and a few more."""

FOLDERS = {"Training": "train", "PublicTest": "test", "PrivateTest": "test"}
OWN_FOLDERS = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
SEVEN = VOTES[:7]

CLONE = ("README.md", "benchmarks", "docs", "experiments", "results", "tools")
"""Files and folders of the repository that commands on the pages read and write."""

CONFIGS = "configs"
"""Folder of shortened configurations, named as those that ship with femo."""

_SHORT = """from femo_jax.train.config import TrainConfig

config = TrainConfig(
    model_options={{"widths": (4, 4, 8, 8)}},
    epochs=1,
    batch_size=64,
    ferplus_weight={config.ferplus_weight},
    label_smoothing={config.label_smoothing},
    teachers={config.teachers},
    distillation_weight={weight},
    seed={config.seed},
)
"""


def lay_out(folder: Path) -> None:
    """Writes everything but the run into an empty folder."""
    photograph = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(folder / "people.jpg"), photograph)
    with VideoWriter(folder / "clip.mp4", FRAMES_PER_SECOND) as clip:
        for frame, _ in zip(frames(photograph), range(10), strict=False):
            clip.write(frame)
    for name in ("front.mp4", "rear.mp4"):
        shutil.copy(folder / "clip.mp4", folder / name)
    _write_faces(folder)
    for name in CLONE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    (folder / CONFIGS).mkdir()
    for name in config_names():
        _shorten(FOLDER / f"{name}.py", folder / CONFIGS / f"{name}.py")
    for path in (ROOT / "experiments" / "configs").rglob("*.py"):
        _shorten(path, folder / path.relative_to(ROOT))


def _shorten(path: Path, target: Path) -> None:
    """Writes a configuration as one epoch of a tiny network with the same targets, but for soft labels."""
    config = load_config(path)
    target.write_text(_SHORT.format(config=config, weight=config.distillation_weight if config.teachers else 0.0))


def train_small(folder: Path) -> None:
    """Trains `runs/small` and exports it as `small.safetensors`."""
    train = ["train", "femonet-small", "--data", "fer2013.zip", "--workdir", "runs/small"]
    assert main(train) == 0
    assert main(["export", "runs/small", "-o", "small.safetensors"]) == 0
    assert (folder / "small.safetensors").is_file()


def _write_faces(folder: Path) -> None:
    """Drawn faces as Kaggle's zip, as the csv with a file of FER+ votes, as folders of one's own, and as face crops."""
    table, votes = ["emotion,pixels,Usage"], [",".join(("Usage", "Image name", *VOTES[:-1], "NF"))]
    rng = np.random.default_rng(0)
    (folder / "crops").mkdir()
    with zipfile.ZipFile(folder / "fer2013.zip", "w") as archive:
        for usage, count in FACES.items():
            for number in range(count * len(Emotion)):
                emotion = Emotion(number % len(Emotion))
                image = draw_face(emotion, rng)
                encoded = cv2.imencode(".png", image)[1].tobytes()
                archive.writestr(f"{FOLDERS[usage]}/{emotion.label}/{usage}_{number}.jpg", encoded)
                table.append(f"{emotion.csv_code},{' '.join(map(str, image.ravel()))},{usage}")
                votes.append(f"{usage},fer{len(votes) - 1:07d}.png," + ",".join(map(str, _votes(emotion))))
                own = folder / "mydata" / OWN_FOLDERS[usage] / emotion.label
                own.mkdir(parents=True, exist_ok=True)
                (own / f"{number}.png").write_bytes(encoded)
    shutil.copytree(folder / "mydata" / "test" / "happy", folder / "crops", dirs_exist_ok=True)
    (folder / "fer2013.csv").write_text("\n".join(table) + "\n")
    (folder / "fer2013new.csv").write_text("\n".join(votes) + "\n")


def _votes(emotion: Emotion) -> list[int]:
    """Eight votes for the emotion, two for none."""
    return [8 * (name in SEVEN and Emotion.from_synonym(name) is emotion) + 2 * (name == "unknown") for name in VOTES]
