"""The suite with fake benchmarks: one that fails keeps the others' results; a busy machine gives no conclusion."""

import json

import pytest
import suite
from suite import Options, Outcome

from femo_jax.errors import FemoError

WRITES = """
import json, sys
(path,) = [each.removeprefix("--json=") for each in sys.argv if each.startswith("--json=")]
json.dump(sys.argv[1:-1], open(path, "w"))
print("measured")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Scripts `first`, `broken` and `last`, a fourth that needs a package, and a machine that others use by 2 %."""
    (tmp_path / "first.py").write_text(WRITES)
    (tmp_path / "broken.py").write_text("raise SystemExit('no compiler here')")
    (tmp_path / "last.py").write_text(WRITES)
    monkeypatch.setattr(suite, "SUITE", {"first": ["--quick"], "broken": [], "needy": [], "last": []})
    monkeypatch.setattr(suite, "NEEDS", {"needy": "package_that_is_nowhere"})
    monkeypatch.setattr(suite.ProcessorTime, "share_beside", lambda self, own: 0.02)
    monkeypatch.setattr(suite, "HERE", tmp_path)
    return tmp_path


def test_one_that_fails_keeps_the_results_of_the_others(folder, tmp_path, capsys):
    out = tmp_path / "new" / "bench"
    outcomes = suite.run_all(Options(out=out), folder)
    assert {name: of.status for name, of in outcomes.items()} == {
        "first": "measured",
        "broken": "failed",
        "needy": "left out",
        "last": "measured",
    }
    assert outcomes["broken"].reason == "exit code 1: no compiler here"
    assert json.loads((out / "first.json").read_text()) == ["--quick"] and (out / "last.json").exists()
    assert (out / "last.txt").read_text() == "measured\n"
    summary = json.loads((out / "summary.json").read_text())
    assert summary["machine"]["cores"] >= 1 and summary["runs"]["needy"]["reason"].endswith("is not installed")


@pytest.mark.parametrize(
    ("outcome", "code", "text"),
    [
        (Outcome(3.0, 0.02, "measured"), 0, "wrote"),
        (Outcome(3.0, 0.4, "disturbed"), 1, "too much for a conclusion"),
        (Outcome(3.0, 0.0, "failed", "no compiler here"), 1, "no compiler here"),
        (Outcome(0.0, 0.0, "left out", "rclpy is not installed"), 0, "left out"),
    ],
)
def test_the_exit_code_and_what_is_printed(monkeypatch, tmp_path, capsys, outcome, code, text):
    monkeypatch.setattr(suite, "run_all", lambda options: {"live": outcome})
    assert suite.main(Options(out=tmp_path)) == code
    assert text in " ".join(capsys.readouterr().out.split())


def test_a_busy_machine_is_noticed(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(suite.ProcessorTime, "share_beside", lambda self, own: 0.2)
    assert suite.run_all(Options(out=tmp_path, only=("last",)), folder)["last"].status == "disturbed"


def test_unknown_names_are_refused(folder, tmp_path):
    with pytest.raises(FemoError, match="--only nothing: no such benchmark; expected some of first, broken"):
        suite.run_all(Options(out=tmp_path, only=("nothing",)), folder)


def test_every_benchmark_of_the_suite_exists():
    assert all((suite.HERE / f"{name}.py").is_file() for name in suite.SUITE)
