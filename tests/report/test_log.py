import json
import sys

import numpy as np
import pytest

from femo_jax import EMOTIONS, read_log
from femo_jax.errors import ConfigError, DataError, FemoError
from femo_jax.report.log import ROW_COLUMNS, FaceLog, load_log

from .conftest import face_entry, frame_line


def test_a_log_as_a_table(two_faces):
    table = read_log(two_faces)
    assert [*table.columns] == [*ROW_COLUMNS, *(f"p_{name}" for name in EMOTIONS)]
    assert len(table) == 120
    assert table.groupby("id").label.nunique().to_dict() == {1: 2, 2: 1}
    first = table.iloc[0]
    assert (first.x, first.y, first.w, first.h, first.label, first.confidence) == (10, 20, 40, 40, "happy", 0.8)
    assert first.p_happy == 0.8
    assert table.attrs["class_names"] == list(EMOTIONS)


def test_a_table_without_a_face_has_the_same_types(write_log, two_faces):
    empty = read_log(write_log(frame_line(0, []), name="empty.jsonl"))
    assert len(empty) == 0
    assert empty.drop(columns="label").dtypes.astype(str)["id"] == "Int64"
    assert [*empty.columns] == [*read_log(two_faces).columns]


def test_without_pandas_the_message_names_the_extra(two_faces, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(FemoError, match=r"femo-jax\[tables\]"):
        read_log(two_faces)
    assert len(load_log(two_faces)) == 120


def test_a_part_of_a_table_is_a_log_again(two_faces):
    log = load_log(two_faces)
    again = FaceLog.from_frame(read_log(two_faces))
    for name in ("time", "person", "box", "label", "uncertain", "probabilities"):
        np.testing.assert_array_equal(getattr(again, name), getattr(log, name))
    table = read_log(two_faces)
    assert FaceLog.from_frame(table[table.id == 2]).persons == [2]


def test_a_table_of_other_columns_is_refused(two_faces):
    with pytest.raises(DataError, match="confidence"):
        FaceLog.from_frame(read_log(two_faces).drop(columns="confidence"))
    with pytest.raises(DataError, match="a column of probabilities"):
        FaceLog.from_frame(read_log(two_faces).drop(columns="p_sad"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("1.5 0.3 0.2\n", "line 1: not a frame"),
        ('{"epoch": 1, "loss": 0.5}\n', "line 1: not a frame"),
        ('{"time": 0, "faces": [1]}\n', "line 1: not a frame"),
        ('{"time": 0, "faces": 3}\n', "line 1: not a frame"),
        ('{"time": NaN, "faces": []}\n', "line 1: not a frame"),
        ("[]\n", "line 1: not a frame"),
        ('{"time": 0, "fa', "line 1: not a frame"),
        ('{"time": 0, "faces": []}\n{"time": 0.1, "fa\n{"time": 0.2, "faces": []}\n', "line 2: not a frame"),
    ],
)
def test_what_is_no_log_is_refused(write_log, text, words):
    with pytest.raises(DataError, match=words):
        load_log(write_log(text))


def test_a_missing_log_is_named(tmp_path):
    with pytest.raises(FemoError, match=r"nowhere\.jsonl: cannot be read"):
        load_log(tmp_path / "nowhere.jsonl")


def test_a_last_line_that_is_cut_off_is_left_out(write_log):
    whole = frame_line(0, [face_entry("sad")])
    log = load_log(write_log(whole, whole[:-30]))
    assert len(log) == 1
    assert log.notes == ("Line 2 is cut off and was left out.",)


def test_a_log_without_faces(write_log):
    log = load_log(write_log(*(frame_line(index, []) for index in range(5))))
    assert (len(log), log.persons, len(log.frame_times)) == (0, [], 5)
    assert log.class_names == EMOTIONS


def test_a_log_of_an_older_release(write_log):
    """Without `uncertain`, `age` and sizes, and with probabilities as a list in femo's order."""
    face = {
        "box": [1, 2, 3, 4],
        "label": "fear",
        "confidence": 0.7,
        "probabilities": [0, 0, 0.7, 0.3, 0, 0, 0],
        "id": 4,
    }
    log = load_log(write_log(json.dumps({"time": 2.0, "faces": [face]}) + "\n"))
    assert (log.persons, log.sizes, log.uncertain.tolist()) == ([4], ((0, 0),), [False])
    assert log.class_names[log.label[0]] == "fear"
    assert np.isnan(log.age[0])


def test_a_log_of_other_classes(write_log):
    face = face_entry("happy") | {"label": "calm", "probabilities": {"calm": 0.6, "tense": 0.4}, "confidence": 0.6}
    record = json.loads(frame_line(0, [face]))
    assert load_log(write_log(json.dumps(record) + "\n")).class_names == ("calm", "tense")
    record["class_names"] = ["calm", "tense"]
    record["faces"][0]["probabilities"] = [0.6, 0.4]
    assert load_log(write_log(json.dumps(record) + "\n")).class_names == ("calm", "tense")


def test_classes_of_two_models_are_refused(write_log):
    other = face_entry("happy") | {"label": "calm", "probabilities": {"calm": 0.6, "tense": 0.4}}
    with pytest.raises(DataError, match="line 2"):
        load_log(write_log(frame_line(0, [face_entry("sad")]), frame_line(1, [other])))


def test_faces_that_were_not_tracked_are_told_apart_by_their_place(write_log):
    faces = [face_entry("happy", None), face_entry("sad", None)]
    log = load_log(write_log(frame_line(0, faces), frame_line(1, faces[:1])))
    assert log.person.tolist() == [-1, -2, -1]
    assert log.columns()["id"] == [None] * 3


def test_a_region_keeps_the_faces_whose_middle_is_in_it(two_faces):
    log = load_log(two_faces)
    assert log.within((150, 0, 170, 240)).persons == [2]
    assert log.within((0, 0, 30, 240)).persons == []
    assert log.within((0, 0, 31, 240)).persons == [1]


@pytest.mark.parametrize("roi", [(0, 0, 0, 10), (0, 0, -5, 10), (float("nan"), 0, 5, 5)])
def test_a_region_without_an_area_is_refused(two_faces, roi):
    with pytest.raises(ConfigError, match="area"):
        load_log(two_faces).within(roi)


def test_a_region_outside_of_all_frames_is_refused(write_log):
    lines = [frame_line(0, [face_entry("sad")]), frame_line(1, [face_entry("sad")], size=(640, 480))]
    log = load_log(write_log(*lines))
    assert log.sizes == ((320, 240), (640, 480))
    assert log.within((400, 0, 50, 50)).persons == []
    with pytest.raises(ConfigError, match="320x240, 640x480"):
        log.within((640, 0, 50, 50))


@pytest.fixture
def two_sources(write_log):
    """Two cameras in turn: face 1 in ten frames of one, face 2 in five larger ones of the other."""
    lines = []
    for index in range(10):
        lines.append(frame_line(index, [face_entry("happy")]))
        if index % 2:
            lines.append(frame_line(index, [face_entry("sad", person=2)], size=(640, 480)))
    return write_log(
        *(
            json.dumps({"source": "camera 0" if '"width": 320' in line else "rear.mp4", **json.loads(line)}) + "\n"
            for line in lines
        )
    )


@pytest.mark.parametrize(
    ("source", "persons", "sizes", "step"),
    [("camera 0", [1], ((320, 240),), 0.1), ("rear.mp4", [2], ((640, 480),), 0.2)],
)
def test_one_source_of_several_is_read(two_sources, source, persons, sizes, step):
    log = load_log(two_sources, source)
    assert (log.persons, log.sizes) == (persons, sizes)
    assert log.frame_step == pytest.approx(step)
    assert set(read_log(two_sources, source)["id"]) == set(persons)


def test_several_sources_are_not_mixed(two_sources):
    with pytest.raises(ConfigError, match=r"frames of 2 sources: camera 0, rear\.mp4.*--log-source"):
        load_log(two_sources)


def test_a_log_in_which_one_of_the_sources_came_is_of_that_one(write_log):
    line = json.dumps({"source": "camera 0", **json.loads(frame_line(0, [face_entry("happy")]))}) + "\n"
    assert len(load_log(write_log(line))) == 1


def test_a_source_that_is_not_in_the_log_is_named_with_those_that_are(two_sources):
    with pytest.raises(ConfigError, match=r"no source 'camera 1'; its sources are camera 0, rear\.mp4"):
        load_log(two_sources, "camera 1")


def test_a_log_of_one_source_names_none(two_faces):
    with pytest.raises(ConfigError, match="no source 'camera 0'; it names no source"):
        load_log(two_faces, "camera 0")
