import errno
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from femo_jax.data.load import available_splits, load_split, split_counts
from femo_jax.data.prepare import OFFICIAL_COUNTS, prepare
from femo_jax.data.splits import SPLITS
from femo_jax.data.tf import tf
from femo_jax.data.tfds import tfds
from femo_jax.emotions import EMOTIONS
from femo_jax.errors import DataError


def _content(split):
    return sorted((image.tobytes(), EMOTIONS[label]) for image, label in zip(split.images, split.labels, strict=True))


def _expected(forms, split):
    return sorted((face.image.tobytes(), face.emotion.label) for face in forms.faces if face.split == split)


def _files(folder):
    return sorted(path.relative_to(folder) for path in folder.rglob("*"))


@pytest.mark.parametrize("form", ["csv", "icml", "tar", "zip", "unpacked"])
def test_splits_hold_the_pictures_with_their_labels(forms, form):
    data = prepare(getattr(forms, form)(), forms.folder / "prepared")
    assert available_splits(data) == SPLITS
    for name in SPLITS:
        split = load_split(data, name)
        assert _content(split) == _expected(forms, name)
        assert split.images.shape == (14, 48, 48, 1) and split.images.dtype == np.uint8
        assert split.labels.dtype == np.int32
        assert split.votes is None


def test_names_go_with_their_pictures(forms):
    split = load_split(prepare(forms.zip(), forms.folder / "prepared"), "validation")
    faces = {face.name: face for face in forms.faces}
    for image, label, name in zip(split.images, split.labels, split.names, strict=True):
        np.testing.assert_array_equal(image[..., 0], faces[name].image)
        assert label == faces[name].emotion


def test_what_tfds_itself_reads_is_the_same_in_the_same_order(forms):
    prepare(forms.zip(), forms.folder / "prepared")
    builder = tfds.builder("fer2013", data_dir=forms.folder / "prepared")
    read = tfds.as_numpy(builder.as_dataset(split="train", batch_size=-1))
    split = load_split(forms.folder / "prepared", "train")
    np.testing.assert_array_equal(read["image"], split.images)
    np.testing.assert_array_equal(read["label"], split.labels)
    assert [name.decode() for name in read["name"]] == split.names.tolist()


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


def test_votes_of_ferplus(forms):
    columns = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    rows = [
        f"{face.name},{Path(face.name).name.partition('_')[0]},{row},{row % 11},0,0,0,0,0,0,0,0,0"
        for row, face in enumerate(forms.faces)
    ]
    votes = forms.write("ferplus.csv", "\n".join([f"name,usage,csv_row,{columns}", *rows]).encode())
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


def test_progress_counts_every_picture(forms):
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


def test_no_pictures(forms):
    with pytest.raises(DataError, match="holds no images"):
        prepare(forms.write("fer2013.csv", b"emotion,pixels,Usage\n"), forms.folder / "prepared")


def _full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def _full_for_tensorflow(*_):
    raise tf.errors.ResourceExhaustedError(None, None, "train.tfrecord; No space left on device")


@pytest.mark.parametrize("write", [_full, _full_for_tensorflow])
def test_a_full_disk_keeps_what_was_there(forms, monkeypatch, write):
    data_dir = forms.folder / "prepared"
    prepare(forms.zip(), data_dir)
    before = _files(data_dir)
    monkeypatch.setattr(tf.io.TFRecordWriter, "write", write)
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


def _decoded(path):
    """Pictures and labels of the folder form by plain OpenCV, knowing nothing of femo but the official class names."""
    if path.is_dir():
        contents = {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*.jpg")}
    else:
        with zipfile.ZipFile(path) as archive:
            contents = {name: archive.read(name) for name in archive.namelist() if name.endswith(".jpg")}
    labels = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    for name, content in contents.items():
        yield name, cv2.imdecode(np.frombuffer(content, np.uint8), 0), labels.index(name.split("/")[-2])


@pytest.mark.real_data
def test_real_pictures_and_labels_are_those_of_the_folders(fer2013):
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
