"""A few made-up faces, written in each form in which people have FER-2013."""

import io
import tarfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from femo_jax.data.splits import SPLITS, Face
from femo_jax.emotions import Emotion

_USAGE = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
# Written out here on purpose: a test that took the codes from femo would not see them change.
_CODE = {"angry": 0, "disgust": 1, "fear": 2, "happy": 3, "sad": 4, "surprise": 5, "neutral": 6}


def _jpg(seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6), np.uint8)
    _, encoded = cv2.imencode(".jpg", cv2.resize(noise, (48, 48)))
    return encoded.tobytes()


class Forms:
    """Writes the same faces, two of each class in each split, in every form."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.jpgs: dict[str, bytes] = {}
        self.faces: list[Face] = []
        for split in SPLITS:
            for emotion in Emotion:
                for _ in range(2):
                    number = len(self.faces)
                    name = f"{'train' if split == 'train' else 'test'}/{emotion.label}/{_USAGE[split]}_{number}.jpg"
                    self.jpgs[name] = _jpg(number)
                    image = cv2.imdecode(np.frombuffer(self.jpgs[name], np.uint8), cv2.IMREAD_GRAYSCALE)
                    self.faces.append(Face(image, emotion, split, name))

    def rows(self) -> list[tuple[int, str, str]]:
        """Emotion code, Usage and pixels of each face."""
        return [
            (_CODE[face.emotion.label], _USAGE[face.split], " ".join(map(str, face.image.ravel().tolist())))
            for face in self.faces
        ]

    def csv_text(self) -> str:
        return "emotion,pixels,Usage\n" + "".join(f"{code},{pixels},{usage}\n" for code, usage, pixels in self.rows())

    def csv(self, name: str = "fer2013.csv") -> Path:
        return self.write(name, self.csv_text().encode())

    def icml(self) -> Path:
        lines = [f"{code},{usage},{pixels}" for code, usage, pixels in self.rows()]
        return self.write("icml_face_data.csv", "\r\n".join(["emotion, Usage, pixels", *lines]).encode())

    def tar(self, name: str = "fer2013.tar.gz") -> Path:
        with tarfile.open(self.folder / name, "w:gz") as archive:
            for member, content in {
                "fer2013/README": b"made up",
                "fer2013/fer2013.csv": self.csv_text().encode(),
            }.items():
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return self.folder / name

    def zip(self, name: str = "fer2013.zip", inside: str = "") -> Path:
        with zipfile.ZipFile(self.folder / name, "w") as archive:
            for member, content in self.jpgs.items():
                archive.writestr(zipfile.ZipInfo(inside + member), content)  # the same bytes at any time
        return self.folder / name

    def unpacked(self, name: str = "fer2013") -> Path:
        for member, content in self.jpgs.items():
            self.write(f"{name}/{member}", content)
        return self.folder / name

    def write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path


@pytest.fixture
def forms(tmp_path):
    """42 made-up faces and methods that write them in each form into a temporary folder."""
    return Forms(tmp_path)


@pytest.fixture(scope="session")
def make_forms():
    """`Forms` of a folder, for fixtures of a wider scope."""
    return Forms
