import errno
import fcntl
import json
import os
import shutil
import struct
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from femo_jax.data import tfds_folder
from femo_jax.data.fer2013.fer2013_dataset_builder import Fer2013
from femo_jax.data.load import available_splits, left_out_files, load_split, split_counts
from femo_jax.data.prepare import OFFICIAL_COUNTS, prepare
from femo_jax.data.splits import SPLITS
from femo_jax.data.tfds import tfds
from femo_jax.data.tfds_folder import open_folder
from femo_jax.emotions import EMOTIONS
from femo_jax.errors import DataError


def _content(split):
    return sorted((image.tobytes(), EMOTIONS[label]) for image, label in zip(split.images, split.labels, strict=True))


def _expected(forms, split):
    return sorted((face.image.tobytes(), face.emotion.label) for face in forms.faces if face.split == split)


def _files(folder):
    return sorted(path.relative_to(folder) for path in folder.rglob("*"))


@pytest.mark.parametrize("form", ["csv", "icml", "tar", "zip", "unpacked"])
def test_splits_hold_the_images_with_their_labels(forms, form):
    data = prepare(getattr(forms, form)(), forms.folder / "prepared")
    assert available_splits(data) == SPLITS
    for name in SPLITS:
        split = load_split(data, name)
        assert _content(split) == _expected(forms, name)
        assert split.images.shape == (14, 48, 48, 1) and split.images.dtype == np.uint8
        assert split.labels.dtype == np.int32
        assert split.votes is None


def test_names_go_with_their_images(forms):
    split = load_split(prepare(forms.zip(), forms.folder / "prepared"), "validation")
    faces = {face.name: face for face in forms.faces}
    for image, label, name in zip(split.images, split.labels, split.names, strict=True):
        np.testing.assert_array_equal(image[..., 0], faces[name].image)
        assert label == faces[name].emotion


@pytest.fixture(scope="module", params=["default", "ferplus", "ferplus_labels"])
def of_tfds(request, tmp_path_factory, make_forms):
    """The same faces as TFDS' builder writes them, and as femo does: two version folders."""
    forms = make_forms(tmp_path_factory.mktemp("tfds"))
    votes = _votes(forms) if request.param != "default" else None
    labels = "ferplus" if request.param == "ferplus_labels" else "fer2013"
    builder = Fer2013(data_dir=forms.folder / "tfds", config=request.param, source=forms.zip(), ferplus=votes)
    builder.download_and_prepare()
    prepare(forms.zip(), forms.folder / "femo", ferplus=votes, labels=labels)
    return Path(builder.data_dir), forms.folder / "femo" / "fer2013" / request.param / "1.0.0"


def test_the_descriptions_are_those_of_tfds(of_tfds):
    theirs, ours = of_tfds
    assert {path.name for path in ours.iterdir()} == {path.name for path in theirs.iterdir()} | {"source.json"}
    for name in ("dataset_info.json", "features.json"):
        assert json.loads((ours / name).read_text()) == json.loads((theirs / name).read_text())
    assert (ours / "label.labels.txt").read_text() == (theirs / "label.labels.txt").read_text()


def test_femo_reads_what_tfds_writes_and_both_are_the_same(of_tfds):
    theirs, ours = map(open_folder, of_tfds)
    for split in SPLITS:
        first, second = theirs.read(split), ours.read(split)
        for name in ("images", "labels", "names", "votes"):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
            assert getattr(first, name) is None or getattr(first, name).dtype == getattr(second, name).dtype
        assert first.class_names == second.class_names


def test_tfds_reads_what_femo_writes(of_tfds):
    _, ours = of_tfds
    read = tfds.as_numpy(tfds.builder_from_directory(str(ours)).as_dataset(split="train", batch_size=-1))
    split = open_folder(ours).read("train")
    np.testing.assert_array_equal(read["image"], split.images)
    np.testing.assert_array_equal(read["label"], split.labels)
    assert [name.decode() for name in read["name"]] == split.names.tolist()
    if split.votes is not None:
        np.testing.assert_array_equal(read["votes"], split.votes)
    found = tfds.builder("fer2013", data_dir=ours.parents[2], config=ours.parent.name)
    assert found.info.splits["train"].num_examples == len(split.labels)


def test_a_raw_form_is_prepared_once_into_the_cache(forms, monkeypatch):
    monkeypatch.setenv("FEMO_CACHE", str(forms.folder / "cache"))
    source = forms.zip()
    first = load_split(source, "train")
    before = {path: path.stat().st_mtime_ns for path in (forms.folder / "cache").rglob("*")}
    second = load_split(source, "train")
    assert {path: path.stat().st_mtime_ns for path in (forms.folder / "cache").rglob("*")} == before
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.names, second.names)


def test_two_sources_are_never_mixed_in_the_cache(forms, monkeypatch):
    monkeypatch.setenv("FEMO_CACHE", str(forms.folder / "cache"))
    assert len(load_split(forms.zip(), "train").labels) == 14
    forms.jpgs.pop("train/angry/Training_0.jpg")
    assert len(load_split(forms.zip("fewer.zip"), "train").labels) == 13
    assert len(load_split(forms.zip(), "train").labels) == 13, "the same path with other content"


def test_another_source_in_a_data_dir_is_refused(forms):
    data_dir = forms.folder / "prepared"
    prepare(forms.zip(), data_dir)
    with pytest.raises(DataError, match=r"was prepared from .*fer2013\.zip and not from .*fer2013\.csv.*--overwrite"):
        prepare(forms.csv(), data_dir)
    assert str(load_split(data_dir, "train").names[0]).startswith("train/")
    prepare(forms.csv(), data_dir, overwrite=True)
    assert str(load_split(data_dir, "train").names[0]).startswith("row_")
    assert not list(data_dir.glob(".preparing*"))


def _votes(forms):
    """A file of votes, by name and by row, that go with the made-up faces."""
    columns = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    rows = [
        f"{face.name},{Path(face.name).name.partition('_')[0]},{row},{row % 11},0,0,0,0,0,0,0,0,0"
        for row, face in enumerate(forms.faces)
    ]
    return forms.write("ferplus.csv", "\n".join([f"name,usage,csv_row,{columns}", *rows]).encode())


def test_votes_of_ferplus(forms):
    votes = _votes(forms)
    row_of = {face.image.tobytes(): row for row, face in enumerate(forms.faces)}
    for form in ("zip", "csv"):
        data = prepare(getattr(forms, form)(), forms.folder / form, ferplus=votes)
        split = load_split(data, "test")
        assert split.votes is not None and split.votes.shape == (14, 10) and split.votes.dtype == np.uint8
        assert split.votes[:, 0].tolist() == [row_of[image.tobytes()] % 11 for image in split.images]


def test_a_data_set_without_private_test_prepares_with_a_warning(forms):
    forms.jpgs = {name: content for name, content in forms.jpgs.items() if "PrivateTest" not in name}
    with pytest.warns(UserWarning, match="holds no PrivateTest images; split 'test' is left out"):
        data = prepare(forms.zip(), forms.folder / "prepared")
    assert available_splits(data) == ("train", "validation")
    assert set(split_counts(data)) == {"train", "validation"}
    with pytest.raises(DataError, match=r"has no split 'test' \(PrivateTest\), only train, validation"):
        load_split(data, "test")


def test_progress_counts_every_image(forms):
    seen = []
    prepare(forms.zip(), forms.folder / "prepared", on_progress=lambda *progress: seen.append(progress))
    assert seen == [(stage, done, 42) for stage in ("read", "write") for done in range(1, 43)]


def test_nothing_is_printed_while_preparing(forms, capfd):
    prepare(forms.zip(), forms.folder / "prepared")
    assert capfd.readouterr() == ("", "")


def test_counts(forms):
    forms.jpgs.pop("train/happy/Training_7.jpg")
    counts = split_counts(prepare(forms.zip(), forms.folder / "prepared"))
    assert counts["train"].tolist() == [2, 2, 2, 1, 2, 2, 2]
    assert counts["test"].tolist() == [2] * 7


def test_official_counts():
    assert [sum(OFFICIAL_COUNTS[split]) for split in SPLITS] == [28_709, 3_589, 3_589]


def test_drawn_faces():
    assert len(load_split("drawn", "validation").labels) == 420
    assert available_splits("drawn") == SPLITS


def test_an_unknown_split():
    with pytest.raises(DataError, match="split 'PublicTest': expected one of train, validation, test"):
        load_split("drawn", "PublicTest")


def test_bad_input_leaves_no_folder(forms):
    forms.jpgs["train/fear/Training_4.jpg"] = b"\xff\xd8"
    with pytest.raises(DataError, match=r"Training_4\.jpg: this image is cut off"):
        prepare(forms.zip(), forms.folder / "new" / "prepared")
    assert not (forms.folder / "new").exists()


def test_no_images(forms):
    with pytest.raises(DataError, match="holds no images"):
        prepare(forms.write("fer2013.csv", b"emotion,pixels,Usage\n"), forms.folder / "prepared")


def _full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("write", ["write_records", "write_json"])
def test_a_full_disk_keeps_what_was_there(forms, monkeypatch, write):
    data_dir = forms.folder / "prepared"
    prepare(forms.zip(), data_dir)
    before = _files(data_dir)
    monkeypatch.setattr(tfds_folder, write, _full)
    with pytest.raises(DataError, match=r"prepared: the data set could not be written .*No space left on device"):
        prepare(forms.csv(), data_dir, overwrite=True)
    assert _files(data_dir) == before
    assert _content(load_split(data_dir, "train")) == _expected(forms, "train")
    with pytest.raises(DataError, match="No space left"):
        prepare(forms.csv(), forms.folder / "other")
    assert not (forms.folder / "other").exists()


def test_replacing_that_fails_at_the_very_end_keeps_what_was_there(forms, monkeypatch):
    data_dir = forms.folder / "prepared"
    prepare(forms.zip(), data_dir)
    rename = Path.rename

    def refuse_new(path, target):
        if path.name == "1.0.0" and path.parent.parent.parent != data_dir:
            _full()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse_new)
    with pytest.raises(DataError, match="No space left"):
        prepare(forms.csv(), data_dir, overwrite=True)
    assert str(load_split(data_dir, "train").names[0]).startswith("train/")


def test_two_processes_may_prepare_at_once(forms):
    source, data_dir = forms.zip(), forms.folder / "prepared"

    def another_process(stage, done, total):
        if (stage, done) == ("write", total):
            prepare(source, data_dir)

    prepare(source, data_dir, on_progress=another_process)
    assert _content(load_split(data_dir, "train")) == _expected(forms, "train")
    assert not list(data_dir.glob(".preparing*"))


def test_an_interruption_leaves_no_folder(forms):
    def interrupt(stage, done, total):
        if stage == "write" and done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(forms.zip(), forms.folder / "prepared", on_progress=interrupt)
    assert not (forms.folder / "prepared").exists()


def test_damaged_records_are_named(forms):
    data = prepare(forms.zip(), forms.folder / "prepared")
    (records,) = data.rglob("*train.tfrecord*")
    records.write_bytes(records.read_bytes()[:-10])
    with pytest.raises(DataError, match=r"train\.tfrecord.*: is damaged"):
        load_split(data, "train")


@pytest.fixture(scope="module")
def prepared_once(tmp_path_factory, make_forms):
    """A prepared folder; tests copy it."""
    forms = make_forms(tmp_path_factory.mktemp("prepared"))
    return prepare(forms.zip(), forms.folder / "prepared")


@pytest.fixture
def prepared(prepared_once, tmp_path):
    """A copy of a prepared folder to be damaged, and its version folder."""
    data = Path(shutil.copytree(prepared_once, tmp_path / "prepared"))
    return data, data / "fer2013" / "default" / "1.0.0"


def _halve_at_a_record(path):
    """Leaves half of the records whole: what a reader takes for a shorter file."""
    content, end = path.read_bytes(), 0
    while end < len(path.read_bytes()) // 2:
        (length,) = struct.unpack("<Q", content[end : end + 8])
        end += 16 + length
    path.write_bytes(content[:end])


@pytest.mark.parametrize("has_record", [True, False])
def test_a_shard_that_is_cut_between_two_records_is_noticed(prepared, has_record):
    data, folder = prepared
    if not has_record:
        (folder / "source.json").unlink()
    (records,) = folder.glob("*train.tfrecord*")
    _halve_at_a_record(records)
    with pytest.raises(DataError, match=r"is damaged.*--overwrite"):
        load_split(data, "train")
    assert len(load_split(data, "validation").labels) == 14


def test_flipped_bits_and_missing_shards_are_noticed(prepared):
    data, folder = prepared
    (records,) = folder.glob("*train.tfrecord*")
    content = bytearray(records.read_bytes())
    content[len(content) // 2] ^= 1
    records.write_bytes(content)
    with pytest.raises(DataError, match=r"train\.tfrecord.*: is damaged"):
        load_split(data, "train")
    records.unlink()
    with pytest.raises(DataError, match=r"train\.tfrecord.*: is missing"):
        load_split(data, "train")


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_records_without_digests_have_checksums(prepared, damage):
    data, folder = prepared
    (folder / "source.json").unlink()
    (records,) = folder.glob("*train.tfrecord*")
    content = bytearray(records.read_bytes())
    content[len(content) // 2] ^= 1
    records.write_bytes(content[:-10] if damage == "cut" else content)
    with pytest.raises(DataError, match=r"split 'train' is damaged .*(cut off|checksum).*--overwrite"):
        load_split(data, "train")


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json", "source.json"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b"\xff\xfe\x00", b'{"splits": 3}'])
@pytest.mark.parametrize("has_record", [True, False])
def test_a_damaged_description_is_named(prepared, name, content, has_record):
    data, folder = prepared
    if not has_record:
        (folder / "source.json").unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    else:
        (folder / name).unlink(missing_ok=True)
    if name == "source.json" and content is None:
        assert len(load_split(data, "train").labels) == 14, "as prepared by TFDS' own command"
        return
    with pytest.raises(DataError, match=r"(json|1\.0\.0).*(damaged|missing).*--overwrite"):
        load_split(data, "train")


def test_one_source_in_a_folder_whatever_the_config(forms, prepared):
    data, folder = prepared
    votes = _votes(forms)
    with pytest.raises(DataError, match=r"was prepared from .*fer2013\.zip and not from .*fer2013\.csv.*--overwrite"):
        prepare(forms.csv(), data, ferplus=votes)
    assert load_split(data, "train").votes is None
    prepare(forms.csv(), data, ferplus=votes, overwrite=True)
    assert load_split(data, "train").votes is not None
    assert not folder.parent.exists(), "the other source is gone in every config"


def test_one_source_with_and_without_votes(forms):
    data, votes = forms.folder / "prepared", _votes(forms)
    source = forms.csv()
    prepare(source, data)
    prepare(source, data, ferplus=votes)
    assert prepare(source, data) == data
    assert load_split(data, "train").votes is not None


def test_the_same_content_elsewhere_is_the_same_source(forms):
    source, data = forms.csv(), forms.folder / "prepared"
    prepare(source, data)
    before = _files(data)
    prepare(forms.csv("copy.csv"), data, on_progress=lambda *_: pytest.fail("prepared again"))
    assert _files(data) == before


def test_a_data_dir_within_the_source_is_refused(forms):
    source = forms.unpacked()
    with pytest.raises(DataError, match="lies in the source itself"):
        prepare(source, source / "prepared")
    assert not (source / "prepared").exists()


def test_a_data_dir_that_is_not_utf8(forms):
    data = prepare(forms.zip(), forms.folder / os.fsdecode(b"\xff"))
    assert _content(load_split(data, "train")) == _expected(forms, "train")


def test_an_unreadable_source_is_not_taken_for_a_full_disk(forms, monkeypatch):
    source, scandir = forms.unpacked(), os.scandir

    def refuse(path):
        if str(path).endswith("angry"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("femo_jax.data.reading.os.scandir", refuse)
    with pytest.raises(DataError, match=r"angry: cannot be read \(Permission denied\)"):
        prepare(source, forms.folder / "prepared")


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_holds_is_kept(forms):
    data = forms.folder / "prepared"
    abandoned = data / ".preparing-abandoned"
    (abandoned / "fer2013").mkdir(parents=True)
    held = data / ".preparing-held"
    held.mkdir()
    handle = os.open(held, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        prepare(forms.zip(), data)
        assert not abandoned.exists() and held.exists()
    finally:
        os.close(handle)
    prepare(forms.zip(), data)
    assert not held.exists()


def test_what_another_user_left_is_kept(forms, monkeypatch):
    left = forms.folder / "prepared" / ".preparing-other"
    left.mkdir(parents=True)
    monkeypatch.setattr("femo_jax.scratch.os.geteuid", lambda: 12345)
    prepare(forms.zip(), forms.folder / "prepared")
    assert left.exists()


def test_a_missing_split_names_the_remedy(forms):
    forms.jpgs = {name: content for name, content in forms.jpgs.items() if name.startswith("train")}
    with pytest.warns(UserWarning, match="holds no PublicTest images"):
        data = prepare(forms.zip(), forms.folder / "prepared")
    with pytest.raises(DataError, match=r"no split 'validation'.*move a part of the training images into a folder"):
        load_split(data, "validation")


def test_a_class_without_training_images_warns(forms):
    forms.jpgs = {name: content for name, content in forms.jpgs.items() if not name.startswith("train/disgust")}
    data = prepare(forms.zip(), forms.folder / "prepared")
    with pytest.warns(UserWarning, match="no images of disgust"):
        load_split(data, "train")


def test_files_left_out_are_recorded(forms):
    source = forms.unpacked()
    forms.write("fer2013/train/angry/notes.txt", b"text")
    assert left_out_files(prepare(source, forms.folder / "prepared")) == ("train/angry/notes.txt",)


def _decoded(path):
    """Images and labels of the folder form by plain OpenCV, knowing nothing of femo but the official class names."""
    if path.is_dir():
        contents = {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*.jpg")}
    else:
        with zipfile.ZipFile(path) as archive:
            contents = {name: archive.read(name) for name in archive.namelist() if name.endswith(".jpg")}
    labels = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    for name, content in contents.items():
        yield name, cv2.imdecode(np.frombuffer(content, np.uint8), 0), labels.index(name.split("/")[-2])


@pytest.mark.real_data
def test_real_images_and_labels_are_those_of_the_folders(fer2013):
    if not (fer2013.is_dir() or zipfile.is_zipfile(fer2013)):
        pytest.skip("FEMO_FER2013 names another form than class folders")
    splits = [load_split(fer2013, split) for split in available_splits(fer2013)]
    loaded = {
        name: (image, label)
        for split in splits
        for image, label, name in zip(split.images, split.labels, split.names, strict=True)
    }
    expected = list(_decoded(fer2013))
    assert len(loaded) == len(expected) > 30_000
    for name, image, label in expected:
        assert loaded[name][1] == label
        np.testing.assert_array_equal(loaded[name][0][..., 0], image)


@pytest.mark.real_data
def test_real_counts_are_the_official_ones(fer2013):
    for split, counts in split_counts(fer2013).items():
        assert tuple(counts) == OFFICIAL_COUNTS[split]


def test_prepared_data_in_a_folder_that_is_not_utf8_are_read(forms):
    data = prepare(forms.zip(), forms.folder / "prepared")
    expected = load_split(data, "train")
    moved = data.rename(forms.folder / os.fsdecode(b"moved-\xff"))
    read = load_split(moved, "train")
    np.testing.assert_array_equal(read.images, expected.images)
    assert available_splits(moved) == SPLITS


def test_a_source_whose_path_is_not_utf8_is_prepared(forms):
    source = forms.zip().rename(forms.folder / os.fsdecode(b"fer2013-\xff.zip"))
    assert _content(load_split(prepare(source, forms.folder / "prepared"), "test")) == _expected(forms, "test")
