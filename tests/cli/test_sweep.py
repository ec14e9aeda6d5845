import json
import os
import signal

import cv2
import pytest

from femo_jax.cli.main import main
from femo_jax.evaluate import run_report
from femo_jax.evaluate.run import evaluate
from femo_jax.train import devices
from femo_jax.train.progress import ConsoleReporter

pytestmark = pytest.mark.usefixtures("unoptimised")

CONFIG = """
from femo_jax.train.augment import Augmentation
from femo_jax.train.config import TrainConfig

config = TrainConfig(
    model_options={"widths": (4,)},
    augmentation=Augmentation(rotation=0, scale=0, translation=0, brightness=0, contrast=0),
    epochs=1,
    batch_size=16,
    eval_batch_size=16,
    warmup_epochs=0.0,
    ema_decay=0.9,
)
"""


@pytest.fixture
def small(tmp_path, monkeypatch, train_tiles, validation_tiles):
    """A configuration of one epoch; data that are loaded at once, and counted."""
    path = tmp_path / "small.py"
    path.write_text(CONFIG)
    monkeypatch.setattr(devices, "prepare_devices", lambda _: None)  # JAX runs already
    loaded = []

    def load_split(data, split):
        loaded.append(split)
        return {"train": train_tiles, "validation": validation_tiles}[split]

    for module in ("femo_jax.data.load", "femo_jax.evaluate.run"):
        monkeypatch.setattr(f"{module}.load_split", load_split)
    return path, tmp_path / "W", loaded


def arguments(config, workdir, *more):
    return ["sweep", str(config), "--data", "drawn", "--ops", "xla", "--workdir", str(workdir), *more]


def rows(workdir):
    return {row["label"]: row for row in json.loads((workdir / "sweep.json").read_text())}


def test_a_sweep_leaves_runs_table_and_figure_and_one_that_diverges_does_not_end_it(small, capsys):
    config, workdir, loaded = small
    grid = ["--grid", "learning_rate=1e30,0.1", "--seeds", "0", "1"]
    assert main(arguments(config, workdir, *grid)) == 1
    assert loaded == ["train", "validation"]
    names = {path.name for path in (workdir / "small,learning_rate=0.1" / "seed1").iterdir()}
    assert names == {
        *("config.json", "metrics.jsonl", "checkpoints", "best"),
        *("report.json", "flip.json", "curves.png", "confusion.png"),
    }
    output = capsys.readouterr()
    for text in (output.out, (workdir / "sweep.md").read_text()):
        assert "small,learning_rate=0.1" in text and "±" in text and "0, 2 failed" in text
    assert "small,learning_rate=1e+30, seed 1: " in (workdir / "sweep.md").read_text()
    assert "learning_rate=1e+30/seed0: failed" in output.err
    good, bad = rows(workdir)["small,learning_rate=0.1"], rows(workdir)["small,learning_rate=1e+30"]
    assert good["seeds"] == [0, 1] and not good["failed"] and len(good["accuracy"]["by_seed"]) == 2
    assert bad["seeds"] == [] and list(bad["failed"]) == ["0", "1"]
    assert cv2.imread(str(workdir / "sweep.png")) is not None

    run = workdir / "small,learning_rate=0.1" / "seed0"
    assert json.loads((run / "flip.json").read_text()) == evaluate(run, "drawn", tta="flip").report
    assert json.loads((run / "report.json").read_text())["accuracy"] == good["accuracy"]["by_seed"][0]


@pytest.mark.usefixtures("not_under_nohup")
@pytest.mark.parametrize(("moment", "kind"), [("in a run", signal.SIGHUP), ("between two runs", signal.SIGTERM)])
def test_a_stopped_sweep_resumes_and_leaves_finished_runs_alone(small, monkeypatch, capsys, moment, kind):
    config, workdir, _ = small
    begun = []

    def start(self, step, num_steps):
        begun.append(step)
        if len(begun) == 2 and moment == "in a run":
            os.kill(os.getpid(), kind)

    def write_report(path, contents, write=run_report.write_json):
        if len(begun) == 2 and moment == "between two runs":
            os.kill(os.getpid(), kind)
        write(path, contents)

    monkeypatch.setattr(ConsoleReporter, "start", start)
    monkeypatch.setattr(run_report, "write_json", write_report)
    command = arguments(config, workdir, "--seeds", "3", "4", "5")
    handlers = [signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)]
    assert main(command) == 128 + kind
    assert "the same command resumes" in capsys.readouterr().err
    assert rows(workdir)["small"]["seeds"] == [3]
    assert handlers == [signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)]
    before = (workdir / "small" / "seed3" / "report.json").stat().st_mtime_ns
    assert main(command) == 0
    assert begun == [0, 0, 1 if moment == "in a run" else 6, 0]
    assert (workdir / "small" / "seed3" / "report.json").stat().st_mtime_ns == before
    assert rows(workdir)["small"]["seeds"] == [3, 4, 5]

    # Further seeds and labels join the table; another configuration under the same label is refused at once.
    begun.clear()
    assert main(arguments(config, workdir, "--seeds", "3", "--grid", "clip_norm=1")) == 0
    assert len(rows(workdir)) == 2 and len(begun) == 1
    config.write_text(CONFIG.replace("ema_decay=0.9", "ema_decay=0.5"))
    assert main(arguments(config, workdir, "--seeds", "9")) == 2
    assert "ema_decay: 0.9 before, 0.5 now" in capsys.readouterr().err
    assert len(begun) == 1 and not (workdir / "small" / "seed9").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--grid", "label_smooth=0"], "label_smoothing"),
        (["--grid", "epochs=1,many"], "whole number"),
        (["--grid", "model_options.wings=1"], "model_options.widths"),
        (["--grid", "model_options.widths=[4,6],[4,0]"], "widths of model 'femonet' is (4, 0)"),
        (["--grid", "seed=1"], "--seeds"),
        (["--grid", "batch_size=16", "clip_norm=1", "--grid", "clip_norm=2"], "clip_norm: given twice"),
        (["nowhere.py"], "nowhere.py"),
    ],
)
def test_bad_input_is_refused_before_anything_is_trained(small, capsys, more, message):
    config, workdir, _ = small
    assert main(["sweep", str(config), *more, "--data", "drawn", "--ops", "xla", "--workdir", str(workdir)]) == 2
    assert message in capsys.readouterr().err
    assert not workdir.exists()


def test_runs_on_other_images_are_refused_before_anything_is_trained(small, capsys):
    config, workdir, _ = small
    assert main(arguments(config, workdir, "--seeds", "0")) == 0
    path = workdir / "small" / "seed0" / "config.json"
    path.write_text(path.read_text().replace('"n": 45', '"n": 3589'))
    assert main(arguments(config, workdir, "--seeds", "0", "--grid", "clip_norm=1")) == 2
    assert "a run on other data" in capsys.readouterr().err
    assert not (workdir / "small,clip_norm=1").exists()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_while_a_destructor_runs_stops_the_sweep_before_the_next_run(small, monkeypatch):
    """Python drops what a handler raises there; TensorFlow has such destructors."""
    config, workdir, _ = small

    class Dies:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)

    dying = [Dies()]

    def write_report(path, contents, write=run_report.write_json):
        dying.clear()
        write(path, contents)

    monkeypatch.setattr(run_report, "write_json", write_report)
    assert main(arguments(config, workdir, "--seeds", "3", "4")) == 128 + signal.SIGTERM
    assert rows(workdir)["small"]["seeds"] == [3]
