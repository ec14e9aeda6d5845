import json
import os
import signal

import pytest

from femo_jax.cli.main import main
from femo_jax.evaluate import run_report
from femo_jax.train import devices

pytestmark = pytest.mark.usefixtures("unoptimised")

CONFIG = """
from femo_jax.train.config import TrainConfig

config = TrainConfig(
    model_options={{"widths": (4, 6)}}, epochs={epochs}, batch_size=16, eval_batch_size=16, warmup_epochs=0.0,
    ema_decay=0.9, {more}
)
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch, train_tiles, validation_tiles):
    """A function that runs the command in a workdir; its configurations; data that are loaded at once."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "big.py").write_text(CONFIG.format(epochs=1, more=""))
    (tmp_path / "student.py").write_text(CONFIG.format(epochs=2, more='teachers=("default",), distillation_weight=0.9'))
    monkeypatch.setattr(devices, "prepare_devices", lambda _: None)  # JAX runs already
    splits = {"train": train_tiles, "validation": validation_tiles}
    for module in ("femo_jax.data.load", "femo_jax.evaluate.run"):
        monkeypatch.setattr(f"{module}.load_split", lambda _, split: splits[split])

    def run(*more):
        common = ["--data", "drawn", "--ops", "xla", "--loader", "numpy", "--workdir", "W"]
        return main(["distill", "student.py", "--teacher-config", "big.py", *common, *more])

    return tmp_path, run


@pytest.mark.usefixtures("not_under_nohup")
def test_a_recipe_that_is_stopped_between_teachers_and_student_resumes(recipe, monkeypatch, capsys):
    folder, run = recipe
    written = []

    def write_report(path, contents, write=run_report.write_json):
        write(path, contents)
        written.append(path)
        if len(written) == 4:  # two reports a run
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(run_report, "write_json", write_report)
    command = ["--teacher-seeds", "3", "4", "--seeds", "1"]
    assert run(*command) == 128 + signal.SIGTERM
    assert "the same command resumes" in capsys.readouterr().err
    teachers = [folder / "W" / "big" / f"seed{seed}" for seed in (3, 4)]
    assert all((teacher / "flip.json").is_file() for teacher in teachers)
    assert not (folder / "W" / "student").exists()
    before = [(teacher / "metrics.jsonl").stat().st_mtime_ns for teacher in teachers]

    assert run(*command) == 0
    record = json.loads((folder / "W" / "student" / "seed1" / "config.json").read_text())
    assert record["config"]["teachers"] == ["W/big/seed3", "W/big/seed4"]
    assert len(set(record["data"]["teachers"]["sha256"])) == 2
    assert [(teacher / "metrics.jsonl").stat().st_mtime_ns for teacher in teachers] == before
    rows = {row["label"]: row["seeds"] for row in json.loads((folder / "W" / "sweep.json").read_text())}
    assert rows == {"big": [3, 4], "student": [1]}

    # Neither is a student trained further from other teachers, nor another seed of it beside.
    for seed in ("1", "2"):
        assert run("--teacher-seeds", "3", "--seeds", seed) == 2
        assert "data.teachers.sha256" in capsys.readouterr().err
    assert not (folder / "W" / "student" / "seed2").exists()


def test_teachers_that_femo_train_has_trained_are_left_alone(recipe):
    """As by several jobs side by side."""
    folder, run = recipe
    teacher = folder / "W" / "big" / "seed3"
    common = ["--data", "drawn", "--ops", "xla", "--loader", "numpy"]
    assert main(["train", "big.py", "--seed", "3", "--workdir", str(teacher), *common]) == 0
    before = (teacher / "metrics.jsonl").stat().st_mtime_ns
    assert run("--teacher-seeds", "3") == 0
    assert (teacher / "metrics.jsonl").stat().st_mtime_ns == before
    assert (folder / "W" / "student" / "seed0" / "report.json").is_file()


def test_fields_of_teachers_and_student_are_given_as_in_a_sweep(recipe, capsys):
    folder, run = recipe
    command = ["--teacher-seeds", "3", "--teacher-grid", "learning_rate=0.01,0.02", "--grid", "epochs=1"]
    assert run(*command) == 0
    record = json.loads((folder / "W" / "student,epochs=1" / "seed0" / "config.json").read_text())
    assert record["config"]["epochs"] == 1
    assert record["config"]["teachers"] == [f"W/big,learning_rate={rate}/seed3" for rate in ("0.01", "0.02")]
    rates = [json.loads((folder / each / "config.json").read_text()) for each in record["config"]["teachers"]]
    assert [each["config"]["learning_rate"] for each in rates] == [0.01, 0.02]
    capsys.readouterr()

    assert run("--grid", "epoch=1") == 2
    assert "epoch" in capsys.readouterr().err
    assert run("--grid", 'teachers=["small"]') == 2
    assert "femo sweep" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("student", "message"),
    [
        ('soft_labels="a.st", distillation_weight=0.5', "Leave out one of them"),
        ("", "distillation_weight 0.0: one needs the other"),
        ('teachers=("default",), distillation_weight=1, low_res_epochs=1, low_res_size=33', "low_res_size is 33"),
    ],
)
def test_a_student_that_cannot_be_trained_is_refused_before_the_teachers_are(student, message, recipe, capsys):
    folder, run = recipe
    (folder / "student.py").write_text(CONFIG.format(epochs=2, more=student))
    assert run() == 2
    assert message in capsys.readouterr().err
    assert not (folder / "W").exists()


def test_teacher_and_student_of_one_name_are_refused(recipe, capsys):
    _, run = recipe
    assert run("--teacher-config", "student.py") == 2
    assert "teacher and student have the same name" in capsys.readouterr().err


def test_no_student_is_trained_from_a_teacher_that_diverged(recipe, capsys):
    folder, run = recipe
    (folder / "big.py").write_text(CONFIG.format(epochs=1, more="learning_rate=1e30"))
    assert run("--teacher-seeds", "3") == 2
    assert "teacher big of seed 3 diverged: W/big/seed3: the loss or a gradient is not" in capsys.readouterr().err
    assert not (folder / "W" / "student").exists()
