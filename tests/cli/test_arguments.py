import os
from pathlib import Path

import pytest

from femo_jax.cli.arguments import check_outputs, replace_deprecated
from femo_jax.errors import ConfigError
from femo_jax.weights import model_path


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A current folder with a model file, a data folder and a run folder."""
    monkeypatch.chdir(tmp_path)
    Path("m.safetensors").write_text("model")
    (tmp_path / "data" / "train" / "happy").mkdir(parents=True)
    Path("data/train/happy/1.png").write_text("face")
    (tmp_path / "run" / "best").mkdir(parents=True)
    for name in ("config.json", "metrics.jsonl", "report.json", "best/weights"):
        (tmp_path / "run" / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        ("m.safetensors", {"model": "m.safetensors"}),
        ("data/train/happy/1.png", {"data": "data"}),
        ("run/metrics.jsonl", {"model": "run"}),
        ("run/best/weights", {"model": "run"}),
        ("m.safetensors", {"inputs": ["m.safetensors"]}),
    ],
)
@pytest.mark.parametrize("link", [None, os.link, os.symlink])
def test_an_output_that_is_an_input_is_refused_by_any_name(here, target, arguments, link):
    output = Path(target)
    if link is not None:
        output = Path("other.png")
        link(here / target, output)
    with pytest.raises(ConfigError, match=r"is also an input.*Give --figure another file"):
        check_outputs({"--figure": output, "--json": None}, **arguments)


def test_a_shipped_model_is_an_input_too():
    with pytest.raises(ConfigError, match="is also an input"):
        check_outputs({"--json": model_path("small")}, model="small")


def test_reports_may_be_replaced(here):
    check_outputs({"--json": Path("run/report.json"), "--figure": Path("new.png")}, model="run", data="data")
    check_outputs({"--json": Path("-"), "--figure": Path("run/curves.png")}, model="run", data="drawn")


def test_two_outputs_of_one_name_are_refused(here):
    with pytest.raises(ConfigError, match=r"is named by --json and --csv"):
        check_outputs({"--json": Path("a"), "--csv": here / "a"})
    with pytest.raises(ConfigError, match=r"--json and --csv both name the standard output"):
        check_outputs({"--json": Path("-"), "--csv": Path("-")})


def test_a_folder_is_refused_where_a_file_is_meant_and_not_the_other_way(here):
    with pytest.raises(ConfigError, match=r"data: is a folder. --json takes the name of a file"):
        check_outputs({"--json": Path("data")})
    check_outputs({"--output": Path("data"), "--json": Path("new/a.json")}, folders=("--output",))
    check_outputs({"--output": Path("new/folder")}, folders=("--output",))
    with pytest.raises(ConfigError, match=r"m.safetensors: is a file. --output takes a folder"):
        check_outputs({"--output": Path("m.safetensors/copies")}, folders=("--output",))
    with pytest.raises(ConfigError, match=r"--output takes a folder; - is standard output"):
        check_outputs({"--output": Path("-")}, folders=("--output",))


def test_deprecated_options_and_values_are_replaced_with_a_notice(capsys):
    options, values = {"--views": "--tta", "--mistakes-count": "--count"}, {"--tta": {"one": "none"}}
    given = ["one", "--views", "one", "--mistakes_count=3", "--tta=one", "--tta", "flip", "--json", "one"]
    expected = ["one", "--tta", "none", "--count=3", "--tta=none", "--tta", "flip", "--json", "one"]
    assert replace_deprecated(given, options, values) == expected
    assert capsys.readouterr().err.splitlines() == [
        "femo: --views is deprecated; use --tta",
        "femo: --tta one is deprecated; use --tta none",
        "femo: --mistakes-count is deprecated; use --count",
        "femo: --tta one is deprecated; use --tta none",
    ]
    assert replace_deprecated(expected, options, values) == expected
    assert capsys.readouterr().err == ""
