"""`femo train`: its command line in any order, and its output."""

import itertools
import json

import pytest

from femo_jax.cli.main import main
from femo_jax.cli.train import split_words
from femo_jax.errors import ConfigError


def test_options_come_in_any_order():
    parts = [["small.py"], ["--data", "D"], ["--restart"], ["--no-whitening-init"], ["--augmentation.flip", "false"]]
    expected = (["small.py"], ["--data", "D", "--restart"], {"whitening_init": "false", "augmentation.flip": "false"})
    for order in itertools.permutations(parts):
        configs, options, changes = split_words(list(itertools.chain(*order)))
        assert configs == expected[0]
        assert sorted(options) == sorted(expected[1]) and options[options.index("--data") + 1] == "D"
        assert changes == expected[2]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--data=D", "--epochs=3"], (["--data=D"], {"epochs": "3"})),
        (["--learning-rate", "-1"], ([], {"learning_rate": "-1"})),
        (["--model-options.dropout", "0.1"], ([], {"model_options.dropout": "0.1"})),
        (["--whitening-init", "--epochs", "3"], ([], {"whitening_init": "true", "epochs": "3"})),
        (["--distributed.num-processes", "2"], (["--distributed.num-processes", "2"], {})),
    ],
)
def test_words_are_sorted_into_options_of_the_run_and_fields(words, expected):
    assert split_words(words)[1:] == expected


@pytest.mark.parametrize("words", [["--epochs"], ["--epochs", "3", "--epochs", "4"]])
def test_a_field_has_one_value(words):
    with pytest.raises(ConfigError, match=r"--epochs: (expected a value|given twice)"):
        split_words(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["smoke", "cpu_2core", "--data", "drawn"], "expected one configuration, found smoke and cpu_2core"),
        (["--data", "drawn"], "no configuration"),
        (["smoke", "--data", "drawn", "--cpu-devices", "0"], "--cpu-devices is 0"),
        (["smoke", "--data", "drawn", "--epoch", "3"], "unknown option --epoch. Did you mean --epochs? `femo train"),
        (["smoke", "--data", "drawn", "--lr", "3"], "unknown option --lr. Did you mean --learning-rate?"),
        (["smoke", "--date", "drawn"], "unknown option --date. Did you mean --data?"),
        (["smoke", "--augmentation.flp"], "unknown option --augmentation.flp. Did you mean --augmentation.flip?"),
        (["smoke", "--no-xyzzy"], "unknown option --no-xyzzy. `femo train CONFIG --help` lists the options"),
        (["smoke", "--data", "drawn", "--model-options", "[1]"], "model_options is '[1]'"),
        (["smoke", "--data", "drawn", "--learning-rate", "inf"], "learning_rate is 'inf'"),
    ],
)
def test_a_bad_command_line_is_refused_with_code_2(words, message, capsys):
    assert main(["train", *words]) == 2
    errors = capsys.readouterr().err
    assert message in errors and "Traceback" not in errors


@pytest.mark.parametrize("command", ["train", "sweep", "distill"])
@pytest.mark.parametrize("workdir", ["notes.txt", "notes.txt/run"])
def test_a_file_in_place_of_the_workdir_is_refused_before_the_data_are_read(command, workdir, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("notes")
    arguments = ["femonet-small", "--data", str(tmp_path / "nowhere.zip"), "--workdir", str(tmp_path / workdir)]
    assert main([command, *arguments]) == 2
    assert "notes.txt: is a file. --workdir takes a folder" in capsys.readouterr().err
    assert (tmp_path / "notes.txt").read_text() == "notes"


@pytest.mark.parametrize("command", ["train", "sweep", "distill"])
def test_standard_output_is_no_workdir(command, capsys):
    assert main([command, "femonet-small", "--data", "nowhere.zip", "--workdir", "-"]) == 2
    assert "--workdir is -, standard output; expected a folder" in capsys.readouterr().err


@pytest.mark.integration
def test_quiet_training_prints_nothing_and_its_default_workdir_has_the_name_of_the_configuration(
    tmp_path, monkeypatch, capfd, train_tiles, validation_tiles
):
    monkeypatch.chdir(tmp_path)
    splits = {"train": train_tiles, "validation": validation_tiles}
    monkeypatch.setattr("femo_jax.data.load.load_split", lambda _, split: splits[split])
    (tmp_path / "small.py").write_text(
        "from femo_jax.train.config import TrainConfig\n"
        'config = TrainConfig(model="simple_cnn", model_options={"widths": (4, 4, 4, 4), "dense": 8}, batch_size=16)\n'
    )
    command = ["train", "--data", "drawn", "--ops", "xla", "--epochs", "1", "small.py"]
    assert main(["--quiet", *command]) == 0
    assert capfd.readouterr() == ("", "")
    assert json.loads((tmp_path / "runs" / "small" / "report.json").read_text())["n"] == 45
    assert main(command) == 0
    assert "wrote runs/small/report.json" in capfd.readouterr().err
