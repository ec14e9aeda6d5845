import sys
from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest

from femo_jax import model_file
from femo_jax.cli.main import main
from femo_jax.errors import ConfigError, ModelFileError
from femo_jax.model_file import LoadedModel, load_model_file, save_model_file
from femo_jax.models import create_model, load_plugin, model_names, registry
from femo_jax.train.config import load_config

NETWORK = """
from flax import linen as nn
from femo_jax.models import register


@register("{name}")
class Net(nn.Module):
    \"\"\"A network of one layer.\"\"\"

    num_classes: int = 7
    dropout: float = 0.0

    @nn.compact
    def __call__(self, images, *, train):
        return nn.Dense(self.num_classes, name="head")(images.mean((1, 2)))
"""
CONFIG = NETWORK + '\nfrom femo_jax.train.config import TrainConfig\nconfig = TrainConfig(model="{name}")\n'


@pytest.fixture(autouse=True)
def forgets_networks(monkeypatch):
    """Networks of a test are gone after it, as they are in another process."""
    for name in ("_NETWORKS", "_ORIGINS"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if "plugin" in name or name.startswith("mynets"):
            del sys.modules[name]


def forget(monkeypatch):
    for held in (registry._NETWORKS, registry._ORIGINS):
        monkeypatch.delitem(held, "my_net")


def written(folder, name, text):
    path = folder / name
    path.write_text(text.format(name="my_net") if "{name}" in text else text)
    return path


def test_a_file_registers_a_network_also_when_it_is_a_configuration(tmp_path):
    path = written(tmp_path, "config_and_plugin.py", CONFIG)
    assert load_config(path).model == "my_net"
    assert load_plugin(path) == load_plugin(str(path)) == ("my_net",)
    assert create_model("my_net", num_classes=3).num_classes == 3
    assert not (tmp_path / "__pycache__").exists()


def test_a_module_of_the_current_folder_is_found_and_may_be_named_twice(tmp_path, monkeypatch):
    written(tmp_path, "mynets_of_a_test.py", NETWORK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = list(sys.path)
    assert load_plugin("mynets_of_a_test") == load_plugin("mynets_of_a_test") == ("my_net",)
    assert sys.path == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("from femo_jax.models import FemoNet\n", r"plugin_bad\.py: registers no network.*femo_jax\.models\.register"),
        ("from femo_jax.models import FemoNet\nimport nosuchthing\n", r"failed to run \(ModuleNotFoundError"),
    ],
)
def test_a_plugin_that_fails_or_registers_nothing_is_refused(text, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        load_plugin(written(tmp_path, "plugin_bad.py", text))


def test_a_plugin_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no_such_module_of_mine: no such module"):
        load_plugin("no_such_module_of_mine")
    with pytest.raises(ConfigError, match="no such file"):
        load_plugin(tmp_path / "none.py")


def test_a_model_file_without_its_plugin_is_refused_and_works_with_it(tmp_path, monkeypatch, capsys):
    plugin = written(tmp_path, "plugin.py", NETWORK)
    load_plugin(plugin)
    variables = create_model("my_net").init(model_file.jax.random.key(0), np.zeros((1, 48, 48, 1)), train=False)
    path = tmp_path / "mine.safetensors"
    save_model_file(path, LoadedModel("my_net", {"num_classes": 7}, variables), "float32")
    forget(monkeypatch)
    with pytest.raises(ModelFileError, match=r"(?s)mine\.safetensors.*'my_net'.*--plugin MODULE"):
        load_model_file(path)
    assert main(["evaluate", str(path), "--data", "drawn"]) == 2
    assert "'my_net'" in capsys.readouterr().err
    assert main(["evaluate", str(path), "--data", "drawn", "--plugin", str(plugin)]) == 0
    assert "my_net on validation" in capsys.readouterr().out


def test_entry_points_of_installed_packages_are_loaded_when_their_network_is_asked_for(tmp_path, monkeypatch):
    written(tmp_path, "mynets_installed.py", NETWORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    points = EntryPoints(
        EntryPoint(name, value, registry.ENTRY_POINTS)
        for name, value in (("my_net", "mynets_installed"), ("other", "mynets_installed"), ("gone", "mynets_gone"))
    )
    monkeypatch.setattr(registry, "entry_points", lambda **of: points.select(**of))
    assert "mynets_installed" not in sys.modules
    assert {"my_net", "femonet"} <= set(model_names())
    assert create_model("my_net").num_classes == 7
    with pytest.raises(ConfigError, match=r"'other'.*registers no network of this name"):
        create_model("other")
    with pytest.raises(ConfigError, match=r"'gone'.*fails.*ModuleNotFoundError"):
        create_model("gone")
