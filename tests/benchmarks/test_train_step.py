"""The benchmark of training steps as a whole, with fake sides, and its table and figure."""

import io
import json

import cv2
import pytest
import train_step
from rich.console import Console
from train_step import Options
from train_step_report import draw_figure, print_report, ratios
from train_step_sides import Side

from femo_jax.errors import FemoError

FAKES = """
import os, time
from train_step_setting import Prepared
from femo_jax.errors import FemoError

def prepare(network, milliseconds, parameters=7, loss=1.0):
    def run(steps):
        with open(os.environ["NOTES"], "a") as notes:
            print(milliseconds, network, steps, file=notes)
        time.sleep(steps * milliseconds / 1e3)
        return loss
    return Prepared(run, 128, parameters, {"fake": "1.0"}, 0.5)

def prepare_peak(milliseconds):
    return Prepared(lambda steps: time.sleep(steps * milliseconds / 1e3) or 1.0, gflop=1.0)

def prepare_part():
    return Prepared(lambda steps: time.sleep(steps * 0.01) or 1.0)

def obstructed(network):
    raise FemoError("no compiler here")

def missing(network):
    import package_that_is_nowhere
"""


def fake(name, milliseconds, **others):
    return Side(name, "train_step_fakes", arguments={"milliseconds": milliseconds, **others})


@pytest.fixture
def sides(tmp_path, monkeypatch):
    """Fake sides: oneDNN bf16 takes 10 ms a step, PyTorch 20, stock JAX 80; the machine could do it in 5."""
    (tmp_path / "train_step_fakes.py").write_text(FAKES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    sides = [fake("stock_f32", 80), fake("onednn_bf16", 10), fake("torch_bf16", 20)]
    monkeypatch.setattr(train_step, "SIDES", sides)
    parts = [
        Side("augmentation", "train_step_fakes", "prepare_part", group="full"),
        Side("bf16", "train_step_fakes", "prepare_peak", {"milliseconds": 10}, "peak"),
    ]
    monkeypatch.setattr(train_step, "PARTS", parts)
    return sides


def test_all_sides_of_both_networks(sides, tmp_path, capsys):
    sides += [
        Side("torch_f32", "train_step_fakes", "missing"),
        Side("onednn_f32", "train_step_fakes", "obstructed"),
    ]
    options = Options(json=tmp_path / "steps.json", figure=tmp_path / "steps.png", rounds=2, seconds=0.2)
    train_step.main(options)
    report = json.loads(options.json.read_text())
    for network in ("femonet", "vgg"):
        rates = report[network]
        assert list(rates) == ["stock_f32", "onednn_bf16", "torch_bf16"]
        assert 0.7 * 12_800 < rates["onednn_bf16"] < 12_800 and 0.7 * 1600 < rates["stock_f32"] < 1600
        assert report["ratio"][network]["bf16_over_stock"] == pytest.approx(rates["onednn_bf16"] / rates["stock_f32"])
        details = report["details"][network]
        assert details["parameters"] == 7 and len(details["rounds"]["torch_bf16"]) == 2
        # Half a GFLOP in 10 ms, where the machine does a whole one.
        assert details["share_of_peak"]["onednn_bf16"] == pytest.approx(0.5, rel=0.3)
        assert 0 <= report["machine"]["others"][network] <= 1
    assert set(report["femo_full"]) == {"augmentation"}
    assert set(report["left_out"]) == {"torch_f32", "onednn_f32"}
    assert "package_that_is_nowhere" in report["left_out"]["torch_f32"]
    assert report["versions"] == {"fake": "1.0"}
    assert cv2.imread(str(options.figure)).shape[1] > 1000
    printed = " ".join(capsys.readouterr().out.split())
    assert "femo oneDNN f32 is left out: no compiler here" in printed


def test_sides_take_turns_in_an_order_that_is_reversed(sides, tmp_path):
    train_step.main(Options(quick=True, rounds=2, seconds=0.1))
    notes = [line.split() for line in (tmp_path / "notes").read_text().splitlines()]
    assert {network for _, network, _ in notes} == {"femonet"}
    # A side prepares itself with two steps and one; a turn is one that does not count and those that do.
    prepared, turns = notes[:6], [name for name, _, _ in notes[6::2]]
    assert sorted((name, steps) for name, _, steps in prepared) == [
        (each, n) for each in ("10", "20", "80") for n in "12"
    ]
    assert turns == ["80", "10", "20", "20", "10", "80"]


def test_sides_with_different_networks_are_refused(sides):
    sides.append(fake("keras_f32", 10, parameters=8))
    with pytest.raises(FemoError, match=r"not train the same femonet: they have \[7, 8\] parameters"):
        train_step.main(Options(quick=True, rounds=1, seconds=0.01))


def test_a_side_that_fails_is_left_out_and_the_others_are_measured(sides, tmp_path, capsys):
    sides.append(fake("keras_f32", 10, loss=float("nan")))
    options = Options(quick=True, rounds=2, seconds=0.01, json=tmp_path / "steps.json")
    train_step.main(options)
    report = json.loads(options.json.read_text())
    assert report["left_out"] == {"keras_f32": "keras_f32: the loss is nan"}
    assert set(report["femonet"]) == {"stock_f32", "onednn_bf16", "torch_bf16"}
    assert "Keras f32 is left out: keras_f32: the loss is nan" in " ".join(capsys.readouterr().out.split())


@pytest.fixture
def report():
    rates = {"stock_f32": 100.0, "stock_bf16": 90.0, "onednn_f32": 300.0, "onednn_bf16": 650.0, "torch_f32": 250.0}
    rates["torch_bf16"] = 700.0
    details = {
        "parameters": 2_640_775,
        "share_of_peak": {"onednn_bf16": 0.42},
        "rounds": {name: [0.9 * rate, 1.1 * rate] for name, rate in rates.items()} | {"pipeline": [1.0, 2.0]},
    }
    report = {
        "femonet": rates,
        "femo_full": {"pipeline": 50_000.0},
        "peak_gflop_per_second": {"bf16": 400.0},
        "details": {"femonet": details},
        "left_out": {"keras_f32": "not installed"},
        "machine": {"others": {"femonet": 0.03}},
    }
    return {**report, "ratio": ratios(report)}


def test_ratios_are_with_the_best_mode_of_a_framework(report):
    assert report["ratio"] == {
        "femonet": pytest.approx({"bf16_over_stock": 6.5, "bf16_over_torch": 650 / 700, "f32_over_torch": 1.2})
    }


def test_without_a_side_there_is_no_ratio_to_it(report):
    del report["femonet"]["torch_f32"], report["femonet"]["stock_f32"], report["femonet"]["stock_bf16"]
    assert set(ratios(report)["femonet"]) == {"bf16_over_torch"}


def test_the_table_holds_figures_goals_and_doubts(report):
    console = Console(file=io.StringIO(), width=200)
    print_report(report, console)
    text = console.file.getvalue()
    for part in (
        "650",
        "585 - 715",
        "0.93",
        "42%",
        "50,000",
        "400 GFLOP/s",
        "6.50 times as fast (goal 6, met)",
        "0.93 times as fast (goal 1, missed)",
        "Keras f32 is left out: not installed",
        "other programs took 3%",
    ):
        assert part in text
    assert "leave the machine alone" not in text


def test_a_busy_machine_gives_no_verdict(report):
    report["machine"]["others"]["femonet"] = 0.3
    console = Console(file=io.StringIO(), width=200)
    print_report(report, console)
    text = console.file.getvalue()
    assert "other programs took 30%" in text and "leave the machine alone" in text
    assert "650" in text and "times as fast" not in text


def test_the_figure_has_a_bar_for_each_side(report, tmp_path):
    draw_figure(report, tmp_path / "steps.png")
    image = cv2.imread(str(tmp_path / "steps.png"))
    for blue, green, red in ((0xB2, 0x72, 0), (0, 0x9F, 0xE6), (0x99, 0x99, 0x99)):
        assert (image == (blue, green, red)).all(axis=-1).sum() > 1000
