"""Files of others: permissions, links, special files, compression and limits."""

import gzip
import io
import os
import tarfile
import zipfile

import cv2
import numpy as np
import pytest

from femo_jax.data.archive import open_archive
from femo_jax.data.forms import iterate_faces, open_dataset
from femo_jax.data.reading import Limits, existing
from femo_jax.errors import DataError


def content(path, limits=None):
    return sorted((face.image.tobytes(), face.emotion.label, face.split) for face in iterate_faces(path, limits))


def same(forms):
    return sorted((face.image.tobytes(), face.emotion.label, face.split) for face in forms.faces)


def test_folders_that_are_links_are_followed(forms):
    folder = forms.unpacked("kept")
    linked = forms.folder / "linked"
    linked.mkdir()
    for split in ("train", "test"):
        (linked / split).symlink_to(folder / split)
    assert content(linked) == same(forms)


def test_a_link_to_a_folder_around_it_is_left_out(forms):
    folder = forms.unpacked()
    (folder / "train" / "angry" / "loop").symlink_to(folder)
    with open_dataset(folder) as dataset:
        assert len(list(dataset.faces())) == len(forms.faces)
        assert dataset.left_out == ["train/angry/loop"]


@pytest.mark.parametrize("target", ["nowhere", "a.jpg"])
def test_links_that_lead_nowhere_are_named_unless_hidden(forms, target):
    folder = forms.unpacked()
    (folder / "train" / "angry" / ".#notes.txt").symlink_to("user@host.1234")
    assert content(folder) == same(forms)
    (folder / "train" / "angry" / "a.jpg").symlink_to(target)
    with pytest.raises(DataError, match=r"train/angry/a\.jpg: this symbolic link leads nowhere"):
        content(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(forms):
    folder = forms.unpacked()
    (folder / "train" / "angry").chmod(0)
    try:
        with pytest.raises(DataError, match=r"train/angry: cannot be read .*permissions"):
            content(folder)
    finally:
        (folder / "train" / "angry").chmod(0o700)


def test_a_folder_that_cannot_be_read_is_named(forms, monkeypatch):
    folder, scandir = forms.unpacked(), os.scandir

    def refuse(path):
        if str(path).endswith("angry"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("femo_jax.data.reading.os.scandir", refuse)
    with pytest.raises(
        DataError, match=r"train/angry: cannot be read \(Permission denied\)|test/angry: cannot be read"
    ):
        content(folder)


def test_a_pipe_in_a_folder_is_left_out(forms):
    folder = forms.unpacked()
    os.mkfifo(folder / "train" / "angry" / "pipe.jpg")
    with open_dataset(folder) as dataset:
        assert len(list(dataset.faces())) == len(forms.faces)
        assert dataset.left_out == ["train/angry/pipe.jpg"]


def test_a_pipe_in_place_of_a_data_set_is_refused(tmp_path):
    os.mkfifo(tmp_path / "fer2013.csv")
    for path in (tmp_path / "fer2013.csv", "/dev/zero"):
        with pytest.raises(DataError, match="is a pipe or a device"):
            existing(path)


@pytest.mark.parametrize("path", ["~nosuchuser/a.csv", "a\0b.csv", "x" * 300])
def test_impossible_paths(path):
    with pytest.raises(DataError, match=r"no such file|cannot be read"):
        existing(path)


def test_names_that_are_not_utf8(forms):
    name = os.fsdecode(b"train/angry/\xff\x1b[31m.jpg")
    forms.jpgs[name] = next(iter(forms.jpgs.values()))
    folder = forms.unpacked()
    assert name in [face.name for face in iterate_faces(folder)]
    (folder / name).write_bytes(b"")
    with pytest.raises(DataError) as caught:
        content(folder)
    assert "\\x1b[31m.jpg" in str(caught.value)
    str(caught.value).encode()


def sized_jpg(width, height):
    """A JPEG of 48 x 48 whose header declares another size."""
    _, encoded = cv2.imencode(".jpg", np.zeros((48, 48), np.uint8))
    content = bytearray(encoded.tobytes())
    start = content.index(b"\xff\xc0") + 5
    content[start : start + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(content)


@pytest.mark.parametrize(("width", "height"), [(65_500, 65_500), (48, 4_800), (9_000, 9_000)])
def test_a_header_that_declares_a_huge_image_is_refused_before_decoding(forms, monkeypatch, width, height):
    forms.jpgs = {"train/angry/Training_0.jpg": sized_jpg(width, height)}
    monkeypatch.setattr("femo_jax.data.folder_form.cv2.imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(DataError, match=r"train/angry/Training_0\.jpg: .*expected 48 x 48"):
        content(forms.zip())


def test_a_file_that_is_huge_once_unpacked_is_refused_and_the_limit_can_be_raised(forms):
    forms.jpgs["train/angry/Training_0.jpg"] += bytes(3 << 20)
    path = forms.zip()
    with pytest.raises(DataError, match=r"Training_0\.jpg: 3 MB, more than the limit of 2 MB.*--limits\.image-mb"):
        content(path, Limits(image_mb=2))
    assert content(path, Limits(image_mb=4)) == same(forms)


def test_a_csv_line_without_an_end_is_refused(forms, monkeypatch):
    path = forms.folder / "fer2013.csv.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"emotion,pixels,Usage\n0,")
        for _ in range(3):
            file.write(b"1 " * (1 << 20))
    with pytest.raises(DataError, match=r"fer2013\.csv\.gz, line 1: more than 1,048,576 characters in a line"):
        content(path)


def test_a_cell_without_an_end_is_refused(forms):
    text = 'emotion,pixels,Usage\n0,"' + "1 2 3\n" * 100_000
    with pytest.raises(DataError, match=r"fer2013\.csv, line .*field larger than field limit"):
        content(forms.write("fer2013.csv", text.encode()))


def test_a_sparse_tar_is_refused(tmp_path):
    path = tmp_path / "fer2013.tar"
    info = tarfile.TarInfo("fer2013/fer2013.csv")
    info.size = 10 << 40
    with path.open("wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.truncate(1 << 40)
    with pytest.raises(DataError, match=r"fer2013\.csv: 10,485,760 MB, more than the limit of 16,384 MB"):
        content(path)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_tar_whose_name_is_huge_is_refused(tmp_path, kind):
    path = tmp_path / "fer2013.tar"
    info = tarfile.TarInfo("name")
    info.type, info.size = kind, 10 << 30
    with path.open("wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.truncate(10 << 30)
    with pytest.raises(DataError, match="a part of more than 64 MB"):
        content(path)


def test_an_unpacked_size_is_limited_for_every_compression(forms):
    path = forms.folder / "fer2013.csv.gz"
    path.write_bytes(gzip.compress(forms.csv_text().encode() + b"\n" * (3 << 20)))
    with pytest.raises(DataError, match=r"MB, more than the limit of 2 MB.*--limits\.file-mb"):
        content(path, Limits(file_mb=2))


def test_a_damaged_header_within_a_tar_is_not_its_end(forms):
    path = forms.folder / "fer2013.tar"
    with tarfile.open(path, "w") as archive:
        for name, jpg in forms.jpgs.items():
            info = tarfile.TarInfo(name)
            info.size = len(jpg)
            archive.addfile(info, io.BytesIO(jpg))
    assert content(path) == same(forms)
    whole = path.read_bytes()
    with tarfile.open(path) as archive:
        middle = archive.getmembers()[20].offset
    path.write_bytes(whole[:middle] + b"\xff" + whole[middle + 1 :])
    with pytest.raises(DataError, match=r"fer2013\.tar: the header after .* is damaged"):
        content(path)
    path.write_bytes(whole[:middle])
    with pytest.raises(DataError, match="has no end marker"):
        content(path)


def test_links_within_a_tar_are_followed(forms):
    path = forms.folder / "fer2013.tar"
    folder = forms.unpacked()
    first = folder / forms.faces[0].name
    os.link(first, first.with_name("Training_900.jpg"))
    first.with_name("Training_901.jpg").symlink_to(first.name)
    with tarfile.open(path, "w") as archive:
        archive.add(folder / "train", "train")
        archive.add(folder / "test", "test")
    assert len(content(path)) + (0 if _target_first(path) else 1) == len(forms.faces) + 2


def _target_first(path):
    """Whether the file comes before the symbolic link to it, which the order of the folder decides."""
    with tarfile.open(path) as archive:
        names = [info.name for info in archive if info.issym() or info.name.endswith("Training_0.jpg")]
    return names[0].endswith("Training_0.jpg")


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_flipped_bits_of_a_gzip_are_noticed(forms, place):
    path = forms.tar()
    whole = bytearray(path.read_bytes())
    whole[int(place * len(whole))] ^= 1
    path.write_bytes(whole)
    with pytest.raises(DataError, match=r"fer2013\.tar\.gz"):
        content(path)


def test_a_name_twice_in_a_zip_is_refused(forms):
    path = forms.zip()
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(next(iter(forms.jpgs)), b"x")
    with pytest.raises(DataError, match="is in this zip twice"), open_archive(path):
        pass


def test_a_zip_whose_directory_lacks_entries_is_refused(forms):
    path = forms.zip()
    whole = bytearray(path.read_bytes())
    end = whole.rindex(b"PK\x05\x06")
    first = whole.index(b"PK\x01\x02")
    second = whole.index(b"PK\x01\x02", first + 1)
    size = int.from_bytes(whole[end + 12 : end + 16], "little") - (second - first)
    whole[end + 12 : end + 16] = size.to_bytes(4, "little")
    path.write_bytes(whole)
    with pytest.raises(DataError, match=r"fer2013\.zip: the directory of this zip is damaged"):
        content(path)


def test_a_zip_member_with_escape_sequences_in_its_name_is_named_without_them(tmp_path):
    with zipfile.ZipFile(tmp_path / "fer2013.zip", "w") as archive:
        archive.writestr("train/angry/\x1b[2J\x1b]0;title\x07.jpg", b"\xff\xd8 no image")
    with pytest.raises(DataError, match="cut off or damaged") as caught:
        list(iterate_faces(tmp_path / "fer2013.zip"))
    assert r"train/angry/\x1b[2J\x1b]0;title\x07.jpg" in str(caught.value)
    assert str(caught.value).isprintable()
