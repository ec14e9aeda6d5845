import csv
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from femo_jax.cli import predict as command
from femo_jax.cli.main import main
from femo_jax.errors import SourceError
from femo_jax.live.image import Box, CropGeometry
from femo_jax.live.recognizer import EmotionRecognizer


class BrightFaces:
    """A detector that finds a face in bright images and none in dark ones."""

    geometry = CropGeometry(scale=1.0, shift=0.0)

    def detect(self, image, *, still=True):
        return [Box(20, 10, 40, 40)] if image.grey[0, 0] > 100 else []


@pytest.fixture(scope="module")
def recognizer(random_model):
    return EmotionRecognizer(replace(random_model, temperature=1e5), BrightFaces(), batch_sizes=(1, 4))


@pytest.fixture(autouse=True)
def quick(recognizer, monkeypatch):
    """No model is loaded."""
    monkeypatch.setattr(command.EmotionRecognizer, "load", lambda *_, **__: recognizer)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder: bright.png with a face, dark.png without, broken.png, and more/bright.png with a face."""
    monkeypatch.chdir(tmp_path)
    Path("more").mkdir()
    for name, shade in (("bright.png", 200), ("dark.png", 20), ("more/bright.png", 150)):
        cv2.imwrite(name, np.full((60, 80, 3), shade, np.uint8))
    Path("broken.png").write_bytes(Path("bright.png").read_bytes()[:50])
    return tmp_path


def test_a_table(folder, capsys):
    assert main(["predict", "bright.png", "dark.png"]) == 0
    said = capsys.readouterr()
    assert "20 10 40 40" in said.out
    assert "no face" in said.out
    assert said.err.splitlines()[-1] == "femo: images: 2, faces: 1, unreadable: 0"


@pytest.mark.parametrize(("options", "smallest"), [([], 50), (["--detector.min-size", "30"], 30)])
def test_without_a_face_the_smallest_size_and_its_option_are_named(folder, capsys, options, smallest):
    cv2.imwrite("tall.png", np.full((2133, 1200, 3), 20, np.uint8))
    assert main(["predict", "tall.png", *options]) == 0
    errors = " ".join(capsys.readouterr().err.split())
    assert f"no face of {smallest} px or more in 1 image; --detector.min-size PIXELS searches for smaller" in errors
    assert "--faces cropped" not in errors


def test_a_small_image_without_a_face_may_be_a_face_crop(folder, capsys):
    assert main(["predict", "bright.png", "dark.png"]) == 0
    errors = " ".join(capsys.readouterr().err.split())
    assert "1 image of 256 px or less; --faces cropped takes each as a face crop" in errors


def test_json_to_the_standard_output_is_nothing_else(folder, capsys):
    assert main(["predict", "bright.png", "dark.png", "--json", "-", "--csv", "faces.csv"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["path"], first["width"], first["height"]) == ("bright.png", 80, 60)
    assert [face["box"] for face in first["faces"]] == [[20, 10, 40, 40]]
    assert second == {"path": "dark.png", "width": 80, "height": 60, "faces": []}


def test_every_output_at_once(folder, capsys):
    arguments = ["--json", "new/faces.json", "--csv", "new/faces.csv", "--output", "copies"]
    assert main(["predict", ".", "more", "--draw.bars", *arguments]) == 1
    records = json.loads(Path("new/faces.json").read_text())
    assert [record["path"] for record in records] == ["bright.png", "dark.png", "more/bright.png"]
    with Path("new/faces.csv").open(newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == ["bright.png", "more/bright.png"]
    assert sorted(path.name for path in Path("copies").iterdir()) == ["bright-2.png", "bright.png", "dark.png"]
    assert (cv2.imread("copies/bright.png") != 200).any()
    assert (cv2.imread("copies/bright-2.png") == 150).any()
    said = capsys.readouterr()
    assert said.out == ""
    assert "femo: wrote new/faces.json\nfemo: wrote new/faces.csv\nfemo: wrote copies\n" in said.err


def test_what_is_drawn_can_be_chosen(folder):
    for name, options in (("plain", []), ("large", ["--draw.scale", "3"])):
        assert main(["predict", "bright.png", "--output", name, *options]) == 0
    assert (cv2.imread("plain/bright.png") != cv2.imread("large/bright.png")).any()


def test_what_cannot_be_read_is_reported_and_counted(folder, capsys):
    arguments = ["broken.png", "bright.png", "nowhere.png", "nothing-*.png", "dark.png"]
    assert main(["predict", *arguments, "--json", "faces.json"]) == 1
    assert [record["path"] for record in json.loads(Path("faces.json").read_text())] == ["bright.png", "dark.png"]
    errors = capsys.readouterr().err
    for name in ("broken.png", "nowhere.png", "nothing-*.png"):
        assert f"femo: {name}: " in errors
    assert "femo: images: 2, faces: 1, unreadable: 3\n" in errors


def test_where_there_is_no_image_at_all_nothing_is_written(folder, capsys):
    Path("empty").mkdir()
    for places in (["empty"], ["nowhere.png"], ["nothing-*.png"]):
        assert main(["predict", *places, "--json", "faces.json", "--output", "copies"]) == 2
        assert f"no image to recognise in {places[0]}" in capsys.readouterr().err
        assert not Path("faces.json").exists()
        assert not Path("copies").exists()


def test_an_image_that_is_named_twice_is_recognised_once(folder, capsys):
    assert main(["predict", "bright.png", "*right.png", "--json", "-"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1


def test_a_name_that_looks_like_a_pattern_or_like_markup(folder, capsys):
    Path("bright.png").rename("[red]bright.png")
    assert main(["predict", "[red]bright.png"]) == 0
    assert "[red]bright.png" in capsys.readouterr().out


def test_whole_images_are_faces(folder, capsys):
    assert main(["predict", "dark.png", "--faces", "cropped", "--json", "-"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert [face["box"] for face in record["faces"]] == [[0, 0, 80, 60]]


@pytest.mark.parametrize(("images", "pixels"), [(64, 2**24), (3, 2**24), (64, 80 * 60)])
def test_many_images_are_recognised_as_one_by_one(folder, capsys, monkeypatch, recognizer, images, pixels):
    monkeypatch.setattr(command, "_BATCH_IMAGES", images)
    monkeypatch.setattr(command, "_BATCH_PIXELS", pixels)
    rng = np.random.default_rng(0)
    expected = []
    for index in range(7):
        image = rng.integers(0, 255, (60, 80, 3), np.uint8)
        cv2.imwrite(f"more/{index}.png", image)
        expected.append(recognizer.cropped(image).probabilities)
    Path("more/bright.png").unlink()
    assert main(["predict", "more", "--faces", "cropped", "--json", "-"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [record["path"] for record in records] == [f"more/{index}.png" for index in range(7)]
    found = [list(record["faces"][0]["probabilities"].values()) for record in records]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_copies_never_replace_the_images(folder, capsys):
    before = Path("bright.png").read_bytes()
    assert main(["predict", "bright.png", "--output", "."]) == 2
    assert "bright.png is one of the images itself" in capsys.readouterr().err
    assert Path("bright.png").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--json", "bright.png"], "bright.png: is also an input as link. Give --json another file."),
        (["--csv", "more/../bright.png"], "is also an input as link. Give --csv another file."),
        (["--csv", "link"], "link: is also an input"),
        (["--json", "out", "--csv", "./more/../out"], "is named by --json and --csv. Give each a file of its own."),
        (["--json", "out", "--output", "out"], "out: is named by --json and --output"),
    ],
)
def test_nothing_is_written_over_the_images_or_twice(folder, capsys, monkeypatch, arguments, said):
    monkeypatch.setattr(command.EmotionRecognizer, "load", lambda *_, **__: pytest.fail("began to work"))
    Path("link").symlink_to("bright.png")
    before = {path: path.read_bytes() for path in folder.glob("*.png")}
    assert main(["predict", ".", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.glob("*.png")} == before
    assert not Path("out").exists()


@pytest.mark.parametrize("arguments", [["--json", "new/file/faces"], ["--csv", "new/file/faces"]])
def test_what_cannot_be_written_is_printed(folder, capsys, arguments):
    Path("new").mkdir()
    Path("new/file").touch()
    assert main(["predict", "bright.png", *arguments]) == 1
    said = capsys.readouterr()
    assert "20 10 40 40" in said.out
    assert "new/file/faces: cannot be written" in said.err
    assert "femo: wrote" not in said.err
    assert "results not written: 1" in said.err


def test_json_that_was_printed_is_not_followed_by_a_table(folder, capsys):
    Path("file").touch()
    assert main(["predict", "bright.png", "--json", "-", "--csv", "file/faces"]) == 1
    assert len(json.loads(capsys.readouterr().out)) == 1


def test_long_names_are_whole_in_the_table(folder, capsys, monkeypatch):
    path = Path("more") / f"{'anna' * 30}.png"
    Path("bright.png").rename(path)
    assert main(["predict", str(path)]) == 0
    assert f"{path} " in capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal, which cannot be widened
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["predict", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert str(path) in "".join(line.split("│")[1].strip() for line in lines if line.startswith("│"))


def test_a_name_that_is_no_utf8(folder, capsys):
    name = os.fsdecode(b"caf\xe9.png")
    Path("bright.png").rename(name)
    assert main(["predict", name]) == 0
    assert "caf\ufffd.png" in capsys.readouterr().out
    assert main(["predict", name, "--json", "faces.json", "--csv", "faces.csv", "--output", "copies"]) == 0
    assert b"\ncaf\xe9.png,80,60,1," in Path("faces.csv").read_bytes()
    assert json.loads(Path("faces.json").read_text())[0]["path"] == "caf\\xe9.png"
    assert [path.name for path in Path("copies").iterdir()] == [name]


@pytest.mark.parametrize(
    ("option", "asked"), [([], None), (["--model", "small"], "small"), (["--model", "./m"], "./m")]
)
def test_the_model_is_passed_on_as_it_was_named(folder, recognizer, monkeypatch, option, asked):
    models = []
    monkeypatch.setattr(command.EmotionRecognizer, "load", lambda model, *_, **__: models.append(model) or recognizer)
    assert main(["predict", "bright.png", *option]) == 0
    assert models == [asked]


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ([], "everyday"),
        (["--faces", "cropped"], "training"),
        (["--faces", "cropped", "--prior", "everyday"], "everyday"),
        (["--prior", "neutral=0.4"], {"neutral": 0.4}),
    ],
)
def test_the_prior_of_whole_images_and_of_face_crops(folder, recognizer, monkeypatch, options, asked):
    priors = []
    monkeypatch.setattr(command.EmotionRecognizer, "load", lambda *_, prior: priors.append(prior) or recognizer)
    assert main(["predict", "bright.png", *options]) == 0
    assert priors == [asked]


def test_a_prior_that_is_none(folder, capsys):
    assert main(["predict", "bright.png", "--prior", "usual"]) == 2
    assert "prior is 'usual'; expected training, uniform, everyday" in capsys.readouterr().err


def test_no_image_at_all(capsys):
    assert main(["predict"]) == 2
    assert "femo predict IMAGE" in capsys.readouterr().err


def test_csv_to_standard_output(folder, capsys):
    assert main(["predict", "bright.png", "--csv", "-"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("bright.png,80,60,1,20,10,40,40,")
    assert not Path("-").exists()


def test_a_folder_of_copies_is_not_written_to_standard_output(folder, capsys):
    assert main(["predict", "bright.png", "--output", "-"]) == 2
    assert "--output takes a folder; - is standard output" in capsys.readouterr().err
    assert not Path("-").exists()


@pytest.mark.parametrize("options", [[], ["--json", "-"], ["--csv", "-"]])
def test_a_full_disk_behind_standard_output_is_one_line(folder, capsys, monkeypatch, options):
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["predict", "bright.png", *options]) == 1
    errors = capsys.readouterr().err
    assert errors.splitlines()[-1].startswith("femo: the output could not be written (No space left on device).")
    assert "Traceback" not in errors


def test_a_copy_that_cannot_be_written_does_not_cost_the_rest(folder, capsys):
    Path("copies/bright.png").mkdir(parents=True)
    assert main(["predict", ".", "--output", "copies", "--csv", "faces.csv", "--json", "faces.json"]) == 1
    said = capsys.readouterr()
    assert "copies/bright.png: is a folder" in said.err
    assert "results not written: 1" in said.err
    assert len(json.loads(Path("faces.json").read_text())) == 2
    assert Path("copies/dark.png").is_file()


def test_files_that_are_left_out_are_counted(folder, capsys):
    for name in ("notes.txt", "data.csv"):
        Path(name).write_text("no image")
    frame = b"!\xf9\x04\x00\x0a\x00\x00\x00,\x00\x00\x00\x00\x02\x00\x01\x00\x00\x02\x02%s\x0a\x00"
    head = b"GIF89a\x02\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff"
    Path("a.gif").write_bytes(head + frame % b"\x44" + frame % b"\x0c" + b";")
    Path("broken.png").unlink(missing_ok=True)
    assert main(["predict", "."]) == 0
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("femo: images: 3, faces: ")
    assert line.endswith("other files left out: 2, animations of which the first frame was taken: 1")


def test_an_image_by_its_address_is_downloaded(folder, capsys, monkeypatch):
    contents = Path("bright.png").read_bytes()

    def download(address):
        if "missing" in address:
            raise SourceError("http://host/missing.png: the server answers 404 Not Found.")
        return contents

    monkeypatch.setattr("femo_jax.live.sources.network.download_image", download)
    addresses = ["http://u:SECRET@host/a/photo.png?key=SECRET", "http://host/missing.png"]
    assert main(["predict", *addresses, "--json", "-", "--output", "copies"]) == 1
    said = capsys.readouterr()
    assert [image["path"] for image in json.loads(said.out)] == ["http://***@host/a/photo.png?key=***"]
    assert "404 Not Found" in said.err and "SECRET" not in said.err
    assert [path.name for path in Path("copies").iterdir()] == ["photo.png"]


def test_the_old_word_for_cropped_faces_is_understood(folder, capsys):
    assert main(["predict", "bright.png", "--faces", "whole", "--csv", "-"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[1].startswith("bright.png,80,60,1,0,0,80,60,")
    assert "--faces whole is deprecated; use --faces cropped" in said.err
