import json
import subprocess
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import pytest

from femo_jax.cli.data import main
from femo_jax.cli.main import main as femo
from femo_jax.data.load import load_split
from femo_jax.emotions import EMOTIONS
from femo_jax.errors import DataError, FemoError


@pytest.fixture
def fer2013_csv(tmp_path):
    """Two images of each code, Training; the first blank, and the second of code 3 the same as that of code 4."""
    rng = np.random.default_rng(0)
    images = {(code, copy): rng.integers(0, 256, 2304) for code in range(7) for copy in range(2)}
    images[0, 0][:] = 0
    images[4, 1] = images[3, 1]
    rows = [f"{code},{' '.join(map(str, pixels))},Training" for (code, _), pixels in images.items()]
    path = tmp_path / "fer2013.csv"
    path.write_text("\n".join(["emotion,pixels,Usage", *rows]))
    return path


def test_prepare_prints_counts_beside_the_official_ones(fer2013_csv, tmp_path, capsys):
    assert femo(["data", "prepare", str(fer2013_csv), "--data-dir", str(tmp_path / "prepared")]) == 0
    out, err = capsys.readouterr()
    (row,) = [line for line in out.splitlines() if "disgust" in line]
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["disgust", "2", "436", "-", "56", "-", "55"]
    assert f"Prepared: {tmp_path / 'prepared'}" in out
    assert "warning:" in err and "holds no PrivateTest images" in err
    assert "UserWarning" not in err


def test_prepare_refuses_and_overwrites(fer2013_csv, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text(fer2013_csv.read_text().replace("0 0 0", "1 0 0", 1))
    data_dir = ["--data-dir", str(tmp_path / "prepared")]
    main(["prepare", str(fer2013_csv), *data_dir])
    with pytest.raises(DataError, match="--overwrite"):
        main(["prepare", str(other), *data_dir])
    assert main(["prepare", str(other), *data_dir, "--overwrite"]) == 0


def test_audit_prints_a_table_and_writes_json(fer2013_csv, tmp_path, capsys):
    assert main(["audit", str(fer2013_csv), "--json", str(tmp_path / "audit.json")]) == 0
    out = capsys.readouterr().out
    assert "2 in 1 group" in out
    found = json.loads((tmp_path / "audit.json").read_text())
    assert found["images"] == {"train": 14}
    assert found["distinct"] == 13
    assert found["conflicting"] == {"groups": 1, "images": 2}
    assert sorted(image["label"] for image in found["identical_images"][0]) == ["happy", "sad"]
    assert found["blank_images"] == [{"split": "train", "name": "row_00000000", "label": "angry"}]


def test_audit_writes_json_to_standard_output(fer2013_csv, capsys):
    assert main(["audit", str(fer2013_csv), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["distinct"] == 13
    assert not Path("-").exists()


@pytest.mark.parametrize("link", ["the file itself", "symbolic", "hard"])
def test_audit_does_not_write_over_the_data(fer2013_csv, tmp_path, link, capsys):
    output, before = tmp_path / "audit.json", fer2013_csv.read_text()
    if link == "symbolic":
        output.symlink_to(fer2013_csv)
    elif link == "hard":
        output.hardlink_to(fer2013_csv)
    else:
        output = fer2013_csv
    assert femo(["data", "audit", str(fer2013_csv), "--json", str(output)]) == 2
    assert "--json" in capsys.readouterr().err
    assert fer2013_csv.read_text() == before


def test_the_last_line_counts_the_images_and_the_files_left_out(fer2013_csv, tmp_path, capsys):
    folder = tmp_path / "images"
    for split in ("train", "validation"):
        (folder / split / "angry").mkdir(parents=True)
        cv2.imwrite(str(folder / split / "angry" / "1.png"), np.zeros((48, 48), np.uint8))
    for name in ("a\x1b[2J", "b", "c", "d"):
        (folder / "train" / "angry" / f"{name}.txt").write_text("text")
    assert femo(["data", "prepare", str(folder), "--data-dir", str(tmp_path / "prepared")]) == 0
    out, err = capsys.readouterr()
    last = out.splitlines()[-1]
    names = r"train/angry/a\x1b[2J.txt, train/angry/b.txt, train/angry/c.txt, ..."
    assert last.endswith(f"prepared (2 images; 4 other files left out: {names})")
    assert "no images of disgust" in err


def test_the_limits_are_options_and_are_named(tmp_path, capsys):
    (tmp_path / "train" / "angry").mkdir(parents=True)
    (tmp_path / "train" / "angry" / "1.jpg").write_bytes(bytes(2 << 20))
    assert femo(["data", "prepare", str(tmp_path), "--limits.image-mb", "1"]) == 2
    assert "2 MB, more than the limit of 1 MB" in capsys.readouterr().err


@pytest.fixture
def kagglehub(tmp_path, monkeypatch):
    """A stand-in for kagglehub whose cache holds one image; its calls are kept in `asked`."""
    folder = tmp_path / "kaggle"
    (folder / "train" / "angry").mkdir(parents=True)
    (folder / "train" / "angry" / "Training_1.jpg").write_bytes(b"jpg")
    module = types.ModuleType("kagglehub")
    module.asked = []
    module.dataset_download = lambda handle: module.asked.append(handle) or str(folder)
    monkeypatch.setitem(sys.modules, "kagglehub", module)
    return module


def test_download_into_kagglehub_s_cache(kagglehub, tmp_path, capsys):
    assert main(["download"]) == 0
    assert kagglehub.asked == ["msambare/fer2013"]
    assert f"femo data prepare {tmp_path / 'kaggle'}" in capsys.readouterr().out


def test_download_into_a_folder(kagglehub, tmp_path, capsys):
    output = tmp_path / "new" / "fer2013"
    assert main(["download", "--output", str(output)]) == 0
    assert (output / "train" / "angry" / "Training_1.jpg").read_bytes() == b"jpg"
    assert [path.name for path in output.parent.iterdir()] == ["fer2013"]
    assert str(output) in capsys.readouterr().out


def test_download_spares_a_folder_that_is_not_empty(kagglehub, tmp_path):
    with pytest.raises(DataError, match="not an empty folder"):
        main(["download", "--output", str(tmp_path)])
    assert not kagglehub.asked


def test_download_that_fails_says_how_to_do_without(kagglehub, monkeypatch):
    def refuse(handle):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(kagglehub, "dataset_download", refuse)
    with pytest.raises(DataError, match=r"no route to host.*https://www\.kaggle\.com/datasets/msambare/fer2013"):
        main(["download"])


def test_download_without_kagglehub(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(FemoError, match=r"pip install 'femo-jax\[train\]'"):
        main(["download"])


@pytest.mark.parametrize("command", ["prepare", "audit"])
def test_a_missing_path_ends_with_code_2(command, capsys):
    assert femo(["data", command, "nowhere.zip"]) == 2
    assert "femo: nowhere.zip: no such file or folder" in capsys.readouterr().err
    assert not Path("nowhere.zip").exists()


def test_ferplus_without_a_file_takes_the_packaged_votes(tmp_path):
    _, image = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8))
    for name in ("train/angry/Training_3908.jpg", "train/happy/Training_1.jpg"):
        (tmp_path / "fer2013" / name).parent.mkdir(parents=True)
        (tmp_path / "fer2013" / name).write_bytes(image.tobytes())
    data_dir = tmp_path / "prepared"
    assert femo(["data", "prepare", str(tmp_path / "fer2013"), "--ferplus", "--data-dir", str(data_dir)]) == 0
    split = load_split(data_dir, "train")
    votes = dict(zip(split.names.tolist(), split.votes.tolist(), strict=True))
    assert votes["train/angry/Training_3908.jpg"] == [0, 0, 2, 0, 8, 0, 0, 0, 0, 0]
    assert sum(votes["train/happy/Training_1.jpg"]) == 0


@pytest.fixture
def voted_csv(fer2013_csv, tmp_path):
    """FER+'s own file for `fer2013_csv`: seven majorities, three of them contempt; others, and rows without votes."""
    majorities = [[2, 8, 0], [0, 7, 1], [0, 6, 7], [8, 0, 0], [5, 5, 0], [0] * 3]
    columns = ["happiness", "contempt", "unknown"]
    others = ["neutral", "surprise", "sadness", "anger", "disgust", "fear", "NF"]
    rows = [["Training", "", *majorities[min(row, 5)], *[0] * 7] for row in range(14)]
    path = tmp_path / "fer2013new.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in [["Usage", "Image name", *columns, *others], *rows]))
    return path


def test_labels_of_ferplus_have_eight_classes(fer2013_csv, voted_csv, tmp_path, capsys):
    data_dir = tmp_path / "prepared"
    arguments = ["data", "prepare", str(fer2013_csv), "--data-dir", str(data_dir)]
    by_votes = [*arguments, "--labels", "ferplus", "--ferplus", str(voted_csv)]
    assert femo(by_votes) == 0
    out = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines()]
    for row in (["contempt", "contempt", "2"], ["no majority", "dropped", "1"], ["no votes", "dropped", "9"]):
        assert row in rows
    split = load_split(data_dir, "train")
    labels = [split.class_names[label] for label in split.labels]
    assert dict(zip(split.names.tolist(), labels, strict=True)) == {
        "row_00000000": "contempt",
        "row_00000001": "contempt",
        "row_00000003": "happy",
    }
    assert sorted(split.votes.sum(axis=1).tolist()) == [8, 8, 10]
    assert femo(arguments) == 2
    assert "with other options" in capsys.readouterr().err
    assert femo([*arguments, "--overwrite"]) == 0
    assert load_split(data_dir, "train").class_names == EMOTIONS


def test_labels_of_ferplus_leave_those_of_fer2013_in_the_cache(fer2013_csv, voted_csv, capsys):
    assert femo(["data", "prepare", str(fer2013_csv), "--labels", "ferplus", "--ferplus", str(voted_csv)]) == 0
    prepared = capsys.readouterr().out.rpartition("Prepared: ")[2].split(" (")[0]
    assert len(load_split(prepared, "train").class_names) == 8
    assert len(load_split(fer2013_csv, "train").class_names) == 7


@pytest.mark.integration
def test_process_substitution_is_refused_in_one_line(fer2013_csv, tmp_path):
    """A pipe can be read once, and a data set is read several times."""
    command = f'"{sys.executable}" -m femo_jax.cli.main data prepare <(cat "{fer2013_csv}") --data-dir "{tmp_path}/out"'
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert ended.returncode == 2
    (line,) = ended.stderr.strip().splitlines()
    assert "is a pipe or a device" in line and "Write it to a file" in line
    assert not (tmp_path / "out").exists()
