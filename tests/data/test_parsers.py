"""Whatever bytes a data set holds: images are read, or a DataError is raised, and no image is lost silently."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import tempfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from femo_jax.data.forms import iterate_faces
from femo_jax.data.identity import read_record
from femo_jax.errors import DataError

# Deterministic, so that two runs of the suite give the same result.
bounded = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)

PIXELS = " ".join(["7"] * 2304)
ROWS = [f"{code},{PIXELS},Training" for code in (0, 3, 6)]
CSV = "\n".join(["emotion,pixels,Usage", *ROWS, ""]).encode()


def _jpg(grey):
    return cv2.imencode(".jpg", np.full((48, 48), grey, np.uint8))[1].tobytes()


JPGS = {f"train/{name}/Training_{i}.jpg": _jpg(40 * i) for i, name in enumerate(("angry", "happy", "sad"))}


def _tar(members, mode):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _zip(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


ARCHIVES = {
    "zip": _zip(JPGS),
    "tar": _tar(JPGS, "w"),
    "tar.gz": _tar(JPGS, "w:gz"),
    "tar.bz2": _tar(JPGS, "w:bz2"),
    "tar.xz": _tar(JPGS, "w:xz"),
    "zip of a csv": _zip({"fer2013/fer2013.csv": CSV}),
    "csv.gz": gzip.compress(CSV),
    "csv.bz2": bz2.compress(CSV),
    "csv.xz": lzma.compress(CSV),
}


def read(content):
    """The faces in a file of this content; None where a DataError is raised."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data")
        path.write_bytes(content)
        try:
            return list(iterate_faces(path))
        except DataError as error:
            assert str(error).startswith(str(path))
            return None


@pytest.mark.parametrize("form", ARCHIVES)
def test_undamaged_archives(form):
    assert len(read(ARCHIVES[form])) == 3


@pytest.mark.parametrize("form", ARCHIVES)
@given(data=st.data())
@bounded
def test_a_changed_or_cut_archive_loses_no_image_silently(form, data):
    content = bytearray(ARCHIVES[form])
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    faces = read(bytes(content))
    assert faces is None or len(faces) == 3


@given(
    place=st.integers(0, len(CSV)),
    removed=st.integers(0, 20),
    inserted=st.text(alphabet="0123456789 ,;\t\n\r\"'-+.e_\0\ufeff\u0663xTU", max_size=20) | st.binary(max_size=20),
)
@bounded
def test_a_changed_csv(place, removed, inserted):
    inserted = inserted.encode() if isinstance(inserted, str) else inserted
    faces = read(CSV[:place] + inserted + CSV[place + removed :])
    if faces is not None:
        assert all(face.image.shape == (48, 48) and face.split == "train" for face in faces)


@given(content=st.binary(max_size=300))
@bounded
def test_any_bytes(content):
    for magic in (b"", b"PK\x03\x04", b"\x1f\x8b\x08\x00", b"BZh9", b"\xfd7zXZ\x00", b"emotion,pixels,Usage\n"):
        read(magic + content)


@given(value=st.integers(), digits=st.sampled_from(["{}", "0{}", " {}", "{}.0", "{}e0", "{:_}", "+{}"]))
@bounded
def test_a_pixel_is_what_is_written_or_refused(value, digits):
    written = digits.format(value)
    faces = read(f"emotion,pixels,Usage\n0,{written} {PIXELS[2:]},Training\n".encode())
    if faces is None:
        assert digits != "{}" or not 0 <= value <= 255
    else:
        assert faces[0].image[0, 0] == value


parts = st.sampled_from([None, True, 3, "x", [], [[1]], {}, {"path": 1}, {"digest": "a"}, {"a": "b"}, {"train": "b"}])


@given(content=st.dictionaries(st.sampled_from(["source", "ferplus", "files", "images", "left_out"]), parts))
@bounded
def test_any_record(content):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "source.json").write_text(json.dumps(content))
        with pytest.raises(DataError, match="damaged"):
            read_record(Path(folder))
