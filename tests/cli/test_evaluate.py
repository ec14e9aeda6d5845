import json

import numpy as np
import pytest

from femo_jax.cli import evaluate as command
from femo_jax.cli.main import main
from femo_jax.errors import DataError
from femo_jax.evaluate.metrics import report


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
        return {**report(probabilities, labels), "architecture": "simple_cnn", "split": "test", "views": "flip"}

    monkeypatch.setattr(command, "evaluate", evaluate)
    return calls


def test_prints_a_table_and_writes_json(asked, tmp_path, capsys):
    target = tmp_path / "report.json"
    arguments = ["evaluate", "run", "--data", "drawn", "--split", "test", "--views", "flip", "--json", str(target)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    for words in ("simple_cnn on test", "80.00 %", "76.88 to 82.80 %", "macro-F1", "disgust", "fear 20.0 %", "nats"):
        assert words in printed
    assert max(map(len, printed.splitlines())) <= max(80, len(str(target)) + 10)
    assert json.loads(target.read_text())["n"] == 700


def test_passes_on_what_was_asked(asked, tmp_path):
    arguments = ["model.safetensors", "--data", "faces.zip", "--batch-size", "64", "--figure", "figure.png"]
    assert main(["evaluate", *arguments]) == 0
    (model, *rest), options = asked[0]
    assert str(model) == "model.safetensors" and rest == ["faces.zip", "validation", "one"]
    assert options["batch_size"] == 64 and str(options["figure"]) == "figure.png"


def test_errors_exit_with_2_and_write_nothing(monkeypatch, tmp_path, capsys):
    def evaluate(*_, **__):
        raise DataError("faces.zip: there is no test split")

    monkeypatch.setattr(command, "evaluate", evaluate)
    assert main(["evaluate", "run", "--data", "faces.zip", "--json", str(tmp_path / "report.json")]) == 2
    assert "faces.zip: there is no test split" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments", [["run"], ["run", "--data", "x", "--views", "two"], ["run", "--data", "x", "--split", "all"]]
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
