import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from safetensors import safe_open

from femo_jax import weights
from femo_jax.errors import CheckpointError, ConfigError, ModelFileError
from femo_jax.model_file import LoadedModel, load_model_file, save_model_file
from femo_jax.models import create_model, model_cost
from femo_jax.train import checkpoints
from femo_jax.train.config import as_dict, load_config, with_defaults
from femo_jax.weights import load_model, model_names, model_path, resolve_model, shipped_names

SHIPPED = sorted(path.stem for path in Path(weights.__file__).parent.glob("*.safetensors"))


def card_of(name: str) -> str:
    return model_path(name).with_suffix(".md").read_text(encoding="utf-8")


def test_shipped_names_and_aliases():
    assert SHIPPED == list(shipped_names()) == ["femonet-base", "femonet-small"]
    assert model_path() == model_path("femonet-base") == model_path("default")
    assert model_path("small") == model_path("femonet-small")


def test_the_small_model_has_less_than_a_million_parameters():
    model = load_model_file(model_path("small"))
    assert model_cost(create_model(model.architecture, **model.options)).parameters < 1_000_000


def test_unknown_name_lists_the_known_ones():
    names = "default, small, femonet-base, femonet-small"
    with pytest.raises(ConfigError, match=rf"no model 'vgg' ships with femo; choose one of {names}, or give the path"):
        model_path("vgg")


def test_the_name_of_an_earlier_release_works_with_a_warning():
    with pytest.warns(FutureWarning, match="'femonet' is deprecated; use 'femonet-base'"):
        assert model_path("femonet") == model_path("femonet-base")
    assert "femonet" not in model_names()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder of two shipped models, both empty files."""
    for name in ("femonet-base", "femonet-small"):
        (tmp_path / f"{name}.safetensors").touch()
    monkeypatch.setattr(weights, "__file__", str(tmp_path / "__init__.py"))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "full"),
    [
        (None, "femonet-base"),
        ("default", "femonet-base"),
        ("femonet-base", "femonet-base"),
        ("small", "femonet-small"),
        ("femonet-small", "femonet-small"),
        (Path("small"), "femonet-small"),
    ],
)
def test_a_bare_word_is_a_name(folder, monkeypatch, name, full):
    monkeypatch.chdir(folder)
    assert resolve_model(name) == folder / f"{full}.safetensors"


def test_an_existing_file_or_folder_takes_precedence(folder, monkeypatch):
    (folder / "runs" / "small").mkdir(parents=True)
    (folder / "runs" / "default").touch()
    monkeypatch.chdir(folder / "runs")
    assert resolve_model("small") == Path("small")
    assert resolve_model("default") == Path("default")
    assert resolve_model("femonet-base") == folder / "femonet-base.safetensors"


@pytest.mark.parametrize("path", ["./small", "runs/femonet", "femonet-base.safetensors", "/nowhere/small", "small/"])
def test_a_word_with_a_folder_or_suffix_is_a_path_even_if_missing(folder, monkeypatch, path):
    (folder / "runs").mkdir()
    monkeypatch.chdir(folder / "runs")
    assert resolve_model(path) == Path(path)


def test_only_names_of_existing_files_are_listed(folder):
    assert model_names() == ("default", "small", "femonet-base", "femonet-small")
    (folder / "femonet-small.safetensors").unlink()
    assert model_names() == ("default", "femonet-base")
    for name in ("small", "femonet-small", "smal"):
        with pytest.raises(ConfigError, match=rf"no model '{name}' ships with femo; choose one of default, femonet-b"):
            resolve_model(name)


def test_load_model_takes_a_name_a_file_and_a_run_folder(random_model, tmp_path, monkeypatch):
    assert load_model("small").variables.keys() == load_model_file(model_path("small")).variables.keys()
    save_model_file(tmp_path / "model.safetensors", random_model)
    assert load_model(tmp_path / "model.safetensors").architecture == random_model.architecture
    (tmp_path / "run").mkdir()
    with pytest.raises(CheckpointError, match="not a run folder"):
        load_model(tmp_path / "run")
    read = []
    monkeypatch.setattr(checkpoints, "load_for_inference", lambda workdir: read.append(workdir) or random_model)
    assert load_model(str(tmp_path / "run")) is random_model
    assert read == [tmp_path / "run"]


def test_a_run_folder_without_the_extra_that_reads_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "femo_jax.train.checkpoints", None)
    with pytest.raises(ModelFileError, match=r"reading a run folder needs .*pip install 'femo-jax\[train\]'"):
        load_model(tmp_path)


@pytest.mark.parametrize("name", SHIPPED)
def test_file_is_small_and_loads(name):
    path = model_path(name)
    assert path.stat().st_size <= 10e6
    with safe_open(path, framework="np") as file:
        types = {file.get_slice(key).get_dtype() for key in file.keys() if key.startswith("params/")}  # noqa: SIM118
    assert types == {"F16"}
    model = load_model_file(path)
    assert model.training["calibration"]["split"] == "validation"


@pytest.mark.parametrize("name", SHIPPED)
def test_header_names_no_path(name):
    with safe_open(model_path(name), framework="np") as file:
        header = file.metadata()["femo"]
    assert not re.search(r"/|\\|\.zip", header)


def stated_figures(model: LoadedModel, bytes_of_file: int) -> list[str]:
    """What a card must say of its model, digit by digit."""
    evaluation, calibration = model.training["evaluation"], model.training["calibration"]
    low, high = (100 * share for share in evaluation["accuracy_interval"])
    nll, ece, chance = calibration["nll"], calibration["ece"], calibration["ece_by_chance"]
    cost = model_cost(create_model(model.architecture, **model.options))
    return [
        f"{cost.parameters:,} parameters, {cost.multiply_adds / 1e6:.1f} M multiply-adds",
        f"| file | {bytes_of_file / 1e6:.1f} MB",
        f"| accuracy | {100 * evaluation['accuracy']:.2f} % (95 %: {low:.2f} to {high:.2f} %) |",
        f"| macro-F1 | {100 * evaluation['macro_f1']:.2f} % |",
        *(f"| {label} | {100 * recall:.1f} % |" for label, recall in evaluation["recall"].items()),
        f"a temperature of {model.temperature:.4f}",
        f"| negative log-likelihood | {nll['before']:.4f} nats | {nll['after']:.4f} nats |",
        f"| expected calibration error, 15 bins | {100 * ece['before']:.2f} % | {100 * ece['after']:.2f} % |",
        f"({calibration['folds']} folds), the calibration error is {100 * calibration['cross_fitted_ece']:.2f} %",
        f"({100 * chance['low']:.1f} to {100 * chance['high']:.1f} %) with so few pictures",
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_card_states_the_figures_of_the_file(name):
    card = " ".join(card_of(name).split())
    figures = stated_figures(load_model_file(model_path(name)), model_path(name).stat().st_size)
    assert [figure for figure in figures if figure not in card] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_card_names_the_recipe_of_the_file(name):
    recipe = re.search(r"femo train ([\w-]+) .*--seed (\d+)", card_of(name))
    assert recipe
    training = load_model_file(model_path(name)).training
    asked = as_dict(load_config(recipe[1])) | {"seed": int(recipe[2])}
    made_with = with_defaults(training["config"]) | {"soft_labels": asked["soft_labels"]}  # known by content, not path
    assert asked == made_with
    digest = hashlib.sha256(Path(asked["soft_labels"]).read_bytes()).hexdigest()
    assert digest == training["data"]["soft_labels"]["sha256"]


@pytest.mark.parametrize("name", SHIPPED)
def test_card_says_what_it_is_for_and_not_for(name):
    headings = re.findall(r"^## (.+)$", card_of(name), re.MULTILINE)
    assert {"Data", "Calibration", "Intended use", "Not for this", "Limits", "Licence"} <= set(headings)


@pytest.mark.parametrize("name", SHIPPED)
def test_cut_off_at_every_4_kib(name, tmp_path):
    cut = Path(shutil.copy(model_path(name), tmp_path / "cut.safetensors"))
    for length in reversed(range(0, cut.stat().st_size, 4096)):
        os.truncate(cut, length)
        with pytest.raises(ModelFileError, match="cut off or damaged"):
            load_model_file(cut)


@pytest.mark.parametrize("name", SHIPPED)
def test_flipped_bytes_in_the_header(name, tmp_path):
    whole, damaged = bytearray(model_path(name).read_bytes()), tmp_path / "damaged.safetensors"
    end_of_header = 8 + int.from_bytes(whole[:8], "little")
    for position in [*range(8), *range(8, end_of_header, 37)]:
        whole[position] ^= 0xFF
        damaged.write_bytes(whole)
        whole[position] ^= 0xFF
        with pytest.raises(ModelFileError):
            load_model_file(damaged)
