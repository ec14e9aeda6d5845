import bz2
import gzip
import lzma

import pytest

from femo_jax.data.forms import iterate_faces
from femo_jax.errors import DataError

PIXELS = " ".join(["7"] * 2304)


def read(forms, text):
    return list(iterate_faces(forms.write("fer2013.csv", text.encode())))


def test_codes_are_those_of_the_csv_and_not_alphabetical(forms):
    text = "emotion,pixels,Usage\n" + "".join(f"{code},{PIXELS},Training\n" for code in range(7))
    labels = [face.emotion.label for face in read(forms, text)]
    assert labels == ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]


def test_usage_is_the_split(forms):
    usages = ("PrivateTest", "Training", "PublicTest")
    text = "emotion,pixels,Usage\n" + "".join(f"0,{PIXELS},{usage}\n" for usage in usages)
    assert [face.split for face in read(forms, text)] == ["test", "train", "validation"]


def test_byte_order_mark_quotes_and_blank_lines(forms):
    (face,) = read(forms, f'\ufeffemotion,pixels,Usage\n\n"3","{PIXELS}","Training"\n\n')
    assert face.emotion.label == "happy"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (f"0,{PIXELS[2:]},Training", "line 3: 2303 pixels, expected 2304"),
        (f"0,{PIXELS} 7,Training", "line 3: 2305 pixels"),
        (f"0,{PIXELS[2:]} 256,Training", "line 3: pixels from 7 to 256"),
        (f"0,{PIXELS[2:]} -1,Training", "line 3: pixels contain '-1'"),
        (f"0,{PIXELS[2:]} x,Training", "line 3: pixels contain 'x'"),
        (f"0,{PIXELS[2:]} 4294967301,Training", "line 3: pixels from 7 to 4294967301"),
        (f"0,{PIXELS[2:]} 18446744073709551621,Training", "line 3: pixels from 7 to 9223372036854775807"),
        (f"0,{PIXELS[2:]} 7.5,Training", "line 3: pixels contain '.5'"),
        (f"0,{PIXELS[2:]} \u0663,Training", "line 3: pixels contain '\u0663'"),
        (f"0,{PIXELS} junk,Training", "line 3: pixels contain 'junk'"),
        (f"{'9' * 5000},{PIXELS},Training", "line 3: emotion '999"),
        (f"\u0663,{PIXELS},Training", "line 3: emotion '\u0663'"),
        (f"0,{PIXELS},Training,0", "line 3: 4 cells, expected 3"),
        ("0,,Training", "line 3: 0 pixels"),
        (f"7,{PIXELS},Training", "line 3: unknown emotion code 7; expected 0 to 6"),
        (f"-1,{PIXELS},Training", "line 3: emotion '-1'"),
        (f"happy,{PIXELS},Training", "line 3: emotion 'happy'"),
        (f"0,{PIXELS},Validation", "line 3: Usage 'Validation'; expected one of Training, PublicTest, PrivateTest"),
        (f"0,{PIXELS}", "line 3: 2 cells"),
    ],
)
def test_a_bad_row_is_named(forms, row, message):
    with pytest.raises(DataError, match=rf"fer2013\.csv, {message}"):
        read(forms, f"emotion,pixels,Usage\n0,{PIXELS},Training\n{row}\n")


@pytest.mark.parametrize("missing", ["emotion", "pixels", "Usage"])
def test_a_missing_column_is_named(forms, missing):
    columns = [column for column in ("emotion", "pixels", "Usage") if column != missing]
    with pytest.raises(DataError, match=f"column {missing} is missing"):
        read(forms, ",".join(columns) + "\n1,2\n")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("header", ["emotion,pixels,Usage", '"emotion","pixels","Usage"', " Emotion,PIXELS , usage"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_headers_delimiters_and_encodings(forms, delimiter, header, encoding):
    text = f"{header}\n3,{PIXELS},Training\n4,{PIXELS},privatetest\n".replace(",", delimiter)
    faces = list(iterate_faces(forms.write("fer2013.csv", text.encode(encoding))))
    assert [(face.emotion.label, face.split) for face in faces] == [("happy", "train"), ("sad", "test")]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_ends(forms, line_end):
    text = f"emotion,pixels,Usage\n3,{PIXELS},Training\n4,{PIXELS},Training\n"
    assert len(read(forms, text.replace("\n", line_end))) == 2


@pytest.mark.parametrize("compression", [gzip, bz2, lzma])
@pytest.mark.parametrize("in_folder", [False, True])
def test_compressed(forms, compression, in_folder):
    path = forms.write("data/fer2013.csv.packed", compression.compress(forms.csv_text().encode()))
    faces = list(iterate_faces(path.parent if in_folder else path))
    assert [face.image.tobytes() for face in faces] == [face.image.tobytes() for face in forms.faces]


def test_another_table_is_described(forms):
    with pytest.raises(
        DataError, match=r"is not FER-2013 .*found 'path, label' in .*fer2013\.csv\. Expected a csv with"
    ):
        read(forms, "path;label\na.jpg;happy\n")


def test_a_column_twice_is_refused(forms):
    with pytest.raises(DataError, match="column emotion is there twice"):
        read(forms, f"emotion,Emotion,pixels,Usage\n0,1,{PIXELS},Training\n")
