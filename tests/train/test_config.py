import dataclasses
import sys

import pytest

from femo_jax.errors import CheckpointError, ConfigError
from femo_jax.files import write_json
from femo_jax.train.augment import Augmentation
from femo_jax.train.config import RENAMED, TrainConfig, as_dict, differences, load_config
from femo_jax.train.fields import override
from femo_jax.train.workdir import read_run_record


def write(tmp_path, text):
    path = tmp_path / "config.py"
    path.write_text(text)
    return path


def test_a_file_defines_a_config(tmp_path):
    path = write(tmp_path, "from femo_jax.train.config import TrainConfig\nconfig = TrainConfig(epochs=3)\n")
    assert load_config(path) == TrainConfig(epochs=3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "config = TrainConfig"),
        ("config = 3", "config = TrainConfig"),
        ("import", "SyntaxError"),
        ("from femo_jax.train.config import TrainConfig\nconfig = TrainConfig(epoch=3)", "epoch"),
        ("from femo_jax.train.config import TrainConfig\nconfig = TrainConfig(epochs=0)", "epochs is 0"),
    ],
)
def test_a_bad_file_is_refused_with_path_and_reason(tmp_path, text, message):
    with pytest.raises(ConfigError, match=rf"config\.py.*{message}"):
        load_config(write(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="nowhere"):
        load_config(tmp_path / "nowhere.py")


@pytest.mark.parametrize(
    ("field", "value"),
    [("epochs", 0), ("batch_size", 0), ("label_smoothing", 1.5), ("ema_decay", -0.1), ("learning_rate", float("nan"))],
)
def test_values_out_of_range_are_refused(field, value):
    with pytest.raises(ConfigError, match=field):
        TrainConfig(**{field: value})


def test_differences_name_nested_fields():
    old = as_dict(TrainConfig())
    new = as_dict(TrainConfig(seed=3, model_options={"widths": (8, 16)}))
    assert differences(old, new) == ["model_options.widths: absent before, [8, 16] now", "seed: 0 before, 3 now"]
    assert differences(old, old) == []


def test_earlier_names_of_fields_are_taken_with_a_notice():
    with pytest.warns(FutureWarning, match="vote_share is now called ferplus_weight"):
        config = TrainConfig(vote_share=0.5)  # pyright: ignore[reportCallIssue]
    assert config == TrainConfig(ferplus_weight=0.5)
    with pytest.warns(FutureWarning, match="sam_radius is now called sam_rho"):
        assert override(config, {"sam_radius": "0.1"}).sam_rho == 0.1
    with pytest.raises(ConfigError, match="vote_share is now called ferplus_weight"):
        dataclasses.replace(config, vote_share=0.1)  # pyright: ignore[reportCallIssue]


def test_the_config_of_an_older_version_gets_current_names_and_defaults(tmp_path):
    config = TrainConfig(ferplus_weight=0.5, low_res_epochs=2)
    record = as_dict(config)
    for earlier, name in RENAMED.items():
        record[earlier] = record.pop(name)
    del record["dtype"], record["augmentation"]["blur"]
    write_json(tmp_path / "config.json", {"config": record, "data": {}})
    assert read_run_record(tmp_path)["config"] == as_dict(config)


@pytest.mark.parametrize("contents", [b"{}", b"[]", b"\xff\xfe", b'{"config": 3}', b"{"])
def test_a_damaged_config_json_is_refused(tmp_path, contents):
    (tmp_path / "config.json").write_bytes(contents)
    with pytest.raises(CheckpointError, match=r"config\.json: damaged"):
        read_run_record(tmp_path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"class_weights": "weighted"}, "class_weights is 'weighted': expected one of none, balanced"),
        ({"optimizer": "adam"}, "optimizer is 'adam': expected one of sgd, adamw, muon. Did you mean adamw"),
        ({"schedule": "cos"}, "schedule is 'cos': expected one of cosine, linear, constant. Did you mean cosine"),
        ({"dtype": "float16"}, "dtype is 'float16': expected one of float32, bfloat16"),
        ({"epochs": "3"}, "epochs is '3': expected a whole number"),
        ({"epochs": True}, "epochs is True: expected a whole number"),
        ({"learning_rate": float("inf")}, "learning_rate is inf: expected a finite number"),
        ({"learning_rate": 10**400}, "expected a finite number"),
        ({"lr": 0.1}, "lr: no such field. Did you mean learning_rate"),
        ({"batchsize": 3}, "batchsize: no such field. Did you mean batch_size"),
        ({"warmup_epochs": 1e308}, "warmup_epochs is 1e+308: expected at most epochs, which is 20"),
        ({"warmup_epochs": 21.0}, "warmup_epochs is 21.0"),
        ({"model": "femonets"}, "unknown model 'femonets'"),
        ({"model_options": {"wings": 3}}, "model_options.wings: no such field"),
        ({"model_options": {"dropout": "high"}}, "model_options.dropout is 'high': expected a finite number"),
        ({"model_options": [1]}, "model_options is [1]: expected a JSON object"),
        ({"model_options": {"dtype": float}}, "expected a value that JSON can store"),
        ({"augmentation": {"rotation": 3}}, "expected Augmentation(...)"),
    ],
)
def test_values_that_do_not_fit_are_refused_when_the_configuration_is_made(values, message):
    with pytest.raises(ConfigError) as refused:
        TrainConfig(**values)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rotation": float("nan")}, "rotation is nan: expected a finite number"),
        ({"rotation": -1}, "rotation is -1.0: expected at least 0.0"),
        ({"erasing": 2}, "erasing is 2.0"),
        ({"erasing_area": (0.5, 0.1)}, "erasing_area"),
        ({"spin": 1}, "spin: no such field"),
    ],
)
def test_augmentation_values_are_checked(values, message):
    with pytest.raises(ConfigError) as refused:
        Augmentation(**values)
    assert message in str(refused.value)


def test_whole_numbers_become_floats_and_lists_tuples():
    config = TrainConfig(learning_rate=1, augmentation=Augmentation(erasing_area=[0, 1]))  # pyright: ignore
    assert (config.learning_rate, config.augmentation.erasing_area) == (1.0, (0.0, 1.0))
    assert isinstance(config.learning_rate, float)


def test_loading_leaves_no_bytecode_beside_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    load_config(write(tmp_path, "from femo_jax.train.config import TrainConfig\nconfig = TrainConfig(epochs=3)\n"))
    assert [path.name for path in tmp_path.iterdir()] == ["config.py"]


def test_paths_are_relative_to_the_file(tmp_path):
    text = (
        "from femo_jax.train.config import TrainConfig\nconfig = TrainConfig(soft_labels={!r}, distillation_weight=1)"
    )
    for given, expected in (("soft.st", tmp_path / "soft.st"), ("/data/soft.st", "/data/soft.st")):
        assert load_config(write(tmp_path, text.format(given))).soft_labels == str(expected)


def test_teachers_are_relative_to_the_file_but_for_names_of_shipped_models(tmp_path):
    text = (
        "from femo_jax.train.config import TrainConfig\n"
        "config = TrainConfig(teachers=('default', 'runs/a', './small', 't.safetensors'), distillation_weight=1)\n"
    )
    expected = ("default", *(str(tmp_path / name) for name in ("runs/a", "small", "t.safetensors")))
    assert load_config(write(tmp_path, text)).teachers == expected
    assert override(TrainConfig(), {"teachers": '["a","b"]', "distillation_weight": "1"}).teachers == ("a", "b")


def test_a_file_may_define_its_own_network(tmp_path):
    text = """
from __future__ import annotations
from flax import linen as nn
from femo_jax.models.registry import register
from femo_jax.train.config import TrainConfig

@register("of_a_config_file")
class Net(nn.Module):
    num_classes: int = 7
    width: int = 4

    @nn.compact
    def __call__(self, images, *, train):
        return nn.Dense(self.num_classes)(images.mean((1, 2)))

config = TrainConfig(model="of_a_config_file", model_options={"width": 3})
"""
    assert override(load_config(write(tmp_path, text)), {"model_options.width": "5"}).model_options == {"width": 5}
