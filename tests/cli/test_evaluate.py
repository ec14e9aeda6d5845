import json
from pathlib import Path

import numpy as np
import pytest

from femo_jax.cli import evaluate as command
from femo_jax.cli.main import main
from femo_jax.data.splits import Split
from femo_jax.emotions import EMOTIONS
from femo_jax.errors import DataError
from femo_jax.evaluate import run as evaluation
from femo_jax.evaluate.corruptions import CORRUPTIONS
from femo_jax.evaluate.metrics import report
from femo_jax.evaluate.robustness import robustness
from femo_jax.evaluate.run import Evaluation


@pytest.fixture
def asked(monkeypatch) -> list[tuple]:
    """Has the command report on 700 made-up predictions; the list of what it asked for."""
    calls = []

    def evaluate(*arguments, **options):
        calls.append((arguments, options))
        labels = np.arange(700) % 7
        probabilities = np.full((700, 7), 0.05, np.float32)
        predicted = np.where(np.arange(700) < 140, (labels + 1) % 7, labels)  # 80 % right
        probabilities[np.arange(700), predicted] = 0.7
        words = {"architecture": "simple_cnn", "split": "test", "tta": "flip"}
        images = np.zeros((700, 48, 48, 1), np.uint8)
        split = Split(images, labels, np.array([f"image {number}" for number in range(700)]))
        return Evaluation(report(probabilities, labels, EMOTIONS) | words, probabilities, split)

    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    return calls


def test_prints_a_table_and_writes_json(asked, tmp_path, capsys):
    target = tmp_path / "report.json"
    arguments = ["evaluate", "run", "--data", "drawn", "--split", "test", "--tta", "flip", "--json", str(target)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    for words in ("simple_cnn on test", "80.00 %", "76.88 to 82.80 %", "macro-F1", "disgust", "fear 20.0 %", "nats"):
        assert words in printed
    assert max(map(len, printed.splitlines())) <= max(80, len(str(target)) + 10)
    assert json.loads(target.read_text())["n"] == 700


def test_a_report_that_cannot_be_written_is_printed(asked, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["evaluate", "run", "--data", "drawn", "--json", str(tmp_path / "file" / "report.json")]) == 2
    said = capsys.readouterr()
    assert "80.00 %" in said.out
    assert "wrote" not in said.err
    assert "report.json: cannot be written" in said.err


@pytest.mark.parametrize(("seen", "reported"), [(100, True), (0, False)])
def test_reports_images_that_training_did_not_see_where_it_saw_some(capsys, seen, reported):
    labels = np.arange(700) % 7
    result = report(np.eye(7)[labels], labels, EMOTIONS, np.arange(700) >= seen)
    command.print_report({**result, "architecture": "simple_cnn", "split": "test", "tta": "flip"})
    printed = capsys.readouterr().out
    assert ("without overlap (600 images)" in printed) == reported
    assert printed.count("100.00 %  (95 %") == 1 + reported


def test_passes_on_what_was_asked(asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["model.safetensors", "--data", "faces.zip", "--batch-size", "64", "--figure", "figure.png"]
    assert main(["evaluate", *arguments]) == 0
    (model, *rest), options = asked[0]
    assert str(model) == "model.safetensors" and rest == ["faces.zip", "validation", "none"]
    assert options["batch_size"] == 64 and not options["corruptions"]
    assert [path.name for path in tmp_path.iterdir()] == ["figure.png"]


def test_passes_on_names_and_corruptions_and_draws_the_errors(asked, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "small", "--data", "x"]) == 0
    options = ["--corruptions", "--top-errors", "wrong.svg", "--top-errors-count", "12"]
    assert main(["evaluate", "./small", "--data", "x", *options]) == 0
    assert [arguments[0] for arguments, _ in asked] == ["small", "./small"]
    assert [options["corruptions"] for _, options in asked] == [False, True]
    assert "the 12 most confident of 140 errors" in Path("wrong.svg").read_text()
    assert "femo: wrote wrong.svg\n" in capsys.readouterr().err


def test_a_figure_that_cannot_be_drawn_is_refused_before_the_evaluation(asked, capsys):
    assert main(["evaluate", "small", "--data", "x", "--figure", "a.bmp"]) == 2
    assert "a.bmp: unknown figure format" in capsys.readouterr().err
    assert not asked


def test_prints_the_corruptions_as_a_table(capsys):
    labels = np.arange(700) % 7
    probabilities = np.eye(7)[labels]
    split = Split(np.zeros((700, 48, 48, 1), np.uint8), labels, labels.astype(str))
    result = robustness(lambda images: probabilities[::-1], split, probabilities)
    whole = {**report(probabilities, labels, EMOTIONS), "architecture": "simple_cnn", "split": "test", "tta": "flip"}
    command.print_report(whole)
    assert "corrupted images" not in capsys.readouterr().out
    command.print_report(whole | {"robustness": result})
    printed = capsys.readouterr().out
    table = printed[printed.index("corrupted images") :]
    rows = {line.split("│")[1].strip(): line for line in table.splitlines() if line.startswith("│")}
    assert set(CORRUPTIONS) | {"clean", "mean corrupted"} == set(rows)
    assert "100.00 %" in rows["clean"] and " - " in rows["clean"]
    assert "14.29 %" in rows["darker x0.5"] and "-85.71" in rows["darker x0.5"]
    assert "14.29 %" in rows["mean corrupted"] and "-85.71" in rows["mean corrupted"]
    assert max(map(len, printed.splitlines())) <= 80


def test_options_of_femo_0_1_still_work(asked, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = ["--views", "ten", "--mistakes", "wrong.svg", "--mistakes-count", "3"]
    assert main(["evaluate", "small", "--data", "x", *options]) == 0
    assert asked[0][0][3] == "ten_crop"
    assert "the 3 most confident of 140 errors" in Path("wrong.svg").read_text()
    assert "--mistakes is deprecated; use --top-errors\n" in capsys.readouterr().err


def test_json_on_standard_output_stands_alone(asked, capsys):
    assert main(["evaluate", "small", "--data", "x", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 700


def test_a_figure_on_standard_output_stands_alone(asked, capfdbinary):
    assert main(["evaluate", "small", "--data", "x", "--figure", "-"]) == 0
    assert capfdbinary.readouterr().out.startswith(b"\x89PNG")
    assert main(["evaluate", "small", "--data", "x", "--figure", "-", "--corruptions"]) == 2
    assert b"--corruptions draws a second figure" in capfdbinary.readouterr().err


def test_the_data_are_not_overwritten(asked, tmp_path, capsys):
    data = tmp_path / "fer2013.csv"
    data.write_text("emotion,pixels")
    (tmp_path / "report.json").hardlink_to(data)
    assert main(["evaluate", "small", "--data", str(data), "--json", str(tmp_path / "report.json")]) == 2
    assert "is also an input" in capsys.readouterr().err
    assert not asked and data.read_text() == "emotion,pixels"


def test_a_class_without_images_has_no_recall(capsys):
    labels = np.arange(700) % 6
    words = {"architecture": "simple_cnn", "split": "test", "tta": "none"}
    command.print_report({**report(np.eye(7)[labels], labels, EMOTIONS), **words})
    printed = capsys.readouterr().out
    (row,) = [line for line in printed.splitlines() if "surprise" in line and "│" in line]
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["surprise", "0", "-", "-", "-", "-"]
    assert "macro-F1                   │ 100.00 %" in printed
    assert "macro-F1 leaves out classes without images: surprise" in printed


def test_errors_exit_with_2_and_write_nothing(monkeypatch, tmp_path, capsys):
    def evaluate(*_, **__):
        raise DataError("faces.zip: there is no test split")

    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    assert main(["evaluate", "run", "--data", "faces.zip", "--json", str(tmp_path / "report.json")]) == 2
    assert "faces.zip: there is no test split" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments", [["run"], ["run", "--data", "x", "--tta", "two"], ["run", "--data", "x", "--split", "all"]]
)
def test_wrong_arguments_exit_with_2(asked, arguments):
    with pytest.raises(SystemExit) as exit_:
        main(["evaluate", *arguments])
    assert exit_.value.code == 2 and not asked


def test_help_says_what_the_options_do(capsys):
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    printed = capsys.readouterr().out
    assert "femo evaluate" in printed and "PublicTest" in printed and "mirror image" in printed
