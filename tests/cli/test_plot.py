import json
from pathlib import Path

import pytest

from femo_jax.cli.main import main


@pytest.fixture
def workdir(tmp_path):
    record = {"epoch": 1, "step": 10, "split": "validation", "loss": 1.5, "accuracy": 0.4}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.jsonl").write_text(json.dumps(record) + "\n")
    return tmp_path / "run"


@pytest.mark.parametrize("option", ["-o", "--output"])
def test_draws_a_figure(workdir, tmp_path, option, capsys):
    target = tmp_path / "curves.png"
    assert main(["plot", str(workdir), str(workdir / "metrics.jsonl"), option, str(target)]) == 0
    assert target.stat().st_size > 10_000
    assert capsys.readouterr() == ("", f"femo: wrote {target}\n")


def test_a_figure_on_standard_output(workdir, tmp_path, capfdbinary):
    assert main(["plot", str(workdir), "-o", "-"]) == 0
    assert capfdbinary.readouterr().out.startswith(b"\x89PNG")
    assert not Path("-").exists()


def test_the_metrics_are_not_overwritten(workdir, tmp_path, capsys):
    (tmp_path / "curves.png").symlink_to(workdir / "metrics.jsonl")
    before = (workdir / "metrics.jsonl").read_text()
    assert main(["plot", str(workdir), "-o", str(tmp_path / "curves.png")]) == 2
    assert "is also an input" in capsys.readouterr().err
    assert (workdir / "metrics.jsonl").read_text() == before


@pytest.mark.parametrize(("runs", "words"), [([], "at least one"), (["nowhere"], "nowhere")])
def test_nothing_to_plot(runs, words, tmp_path, capsys):
    assert main(["plot", *runs, "-o", str(tmp_path / "curves.png")]) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_source_is_none_of_a_run(workdir, tmp_path, capsys):
    assert main(["plot", str(workdir), "-o", str(tmp_path / "curves.png"), "--log-source", "camera 0"]) == 2
    assert "--log-source names a source of a frame log" in capsys.readouterr().err
    assert not (tmp_path / "curves.png").exists()


@pytest.mark.parametrize("text", ["hello\nworld\n", "hello", '{"a": 1}\n{"b"', "[1]\n5\n", "\xff\0\n"])
def test_a_file_without_any_record_is_called_so(text, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text(text, encoding="latin-1")
    assert main(["plot", str(tmp_path / "notes.txt"), "-o", str(tmp_path / "curves.png")]) == 2
    assert "notes.txt: neither a metrics log, nor a frame log, nor a run folder" in capsys.readouterr().err


def test_one_bad_line_among_records_is_named(workdir, capsys):
    log = workdir / "metrics.jsonl"
    log.write_text("hello\n" + log.read_text())
    assert main(["plot", str(log)]) == 2
    assert "line 1: not a record" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", '{"epoch": 1, "st'])
def test_a_log_before_its_first_record_is_waited_for(workdir, text, capsys):
    (workdir / "metrics.jsonl").write_text(text)
    assert main(["plot", str(workdir / "metrics.jsonl")]) == 2
    assert "no finished epoch yet" in capsys.readouterr().err


@pytest.fixture
def frame_log(tmp_path):
    (tmp_path / "faces.jsonl").write_text('{"index": 0, "time": 0.0, "width": 8, "height": 8, "faces": []}\n')
    return tmp_path / "faces.jsonl"


def test_a_frame_log_is_drawn_as_a_timeline(frame_log, tmp_path):
    assert main(["plot", str(frame_log), "-o", str(tmp_path / "timeline.png")]) == 0
    assert (tmp_path / "timeline.png").read_bytes().startswith(b"\x89PNG")


def test_a_frame_log_is_drawn_alone(frame_log, workdir, tmp_path, capsys):
    assert main(["plot", str(workdir), str(frame_log), "-o", str(tmp_path / "timeline.png")]) == 2
    assert "drawn alone" in capsys.readouterr().err
    assert not (tmp_path / "timeline.png").exists()
