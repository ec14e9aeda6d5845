"""Packaged configurations: found by name, complete with the files they need, and loadable outside a clone."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from femo_jax import weights
from femo_jax.configs import config_names, resolve_config
from femo_jax.errors import ConfigError
from femo_jax.model_file import load_model_file
from femo_jax.models import create_model
from femo_jax.train.config import load_config


@pytest.mark.parametrize("name", config_names())
def test_packaged_configurations_load_by_name_from_any_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_config(name)
    create_model(config.model, **config.model_options)
    assert not config.soft_labels or Path(config.soft_labels).is_file()


def test_there_is_a_configuration_for_each_shipped_model_and_one_that_needs_neither_votes_nor_teachers():
    assert {path.stem for path in Path(weights.__file__).parent.glob("femonet-*.safetensors")} <= set(config_names())
    config = load_config("labels_only")
    assert not config.soft_labels and not config.ferplus_weight


def test_soft_labels_beside_a_configuration_are_those_that_the_shipped_model_was_trained_with():
    trained_on = load_model_file(weights.model_path("small")).training["data"]["soft_labels"]["sha256"]
    beside = Path(load_config("femonet-small").soft_labels).read_bytes()
    assert hashlib.sha256(beside).hexdigest() == trained_on


def test_a_file_takes_precedence_over_a_packaged_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("smoke").write_text("")
    assert resolve_config("smoke") == Path("smoke")


def test_an_unknown_name_is_refused_with_the_closest_one():
    with pytest.raises(ConfigError, match=r"femonet-smal: no such configuration\. Did you mean femonet-small\?.*smoke"):
        load_config("femonet-smal")


def test_names_are_listed_without_importing_what_training_needs():
    code = "import sys, femo_jax.configs as c; assert c.config_names(); assert not {'jax', 'optax'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_hyphens_and_underscores_in_names_are_the_same():
    assert resolve_config("femonet_small") == resolve_config("femonet-small")
    assert resolve_config("labels-only").stem == "labels_only"
