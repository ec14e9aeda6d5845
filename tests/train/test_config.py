import dataclasses

import pytest

from femo_jax.errors import CheckpointError, ConfigError
from femo_jax.files import write_json
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
    ("text", "said"),
    [
        ("", "config = TrainConfig"),
        ("config = 3", "config = TrainConfig"),
        ("import", "SyntaxError"),
        ("from femo_jax.train.config import TrainConfig\nconfig = TrainConfig(epoch=3)", "epoch"),
        ("from femo_jax.train.config import TrainConfig\nconfig = TrainConfig(epochs=0)", "epochs is 0"),
    ],
)
def test_a_bad_file_is_named_with_its_fault(tmp_path, text, said):
    with pytest.raises(ConfigError, match=rf"config\.py.*{said}"):
        load_config(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
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


def test_the_record_of_an_older_femo_gets_the_names_and_defaults_of_today(tmp_path):
    config = TrainConfig(ferplus_weight=0.5, low_res_epochs=2)
    record = as_dict(config)
    for earlier, name in RENAMED.items():
        record[earlier] = record.pop(name)
    del record["dtype"], record["augmentation"]["blur"]
    write_json(tmp_path / "config.json", {"config": record, "data": {}})
    assert read_run_record(tmp_path)["config"] == as_dict(config)


@pytest.mark.parametrize("contents", [b"{}", b"[]", b"\xff\xfe", b'{"config": 3}', b"{"])
def test_a_damaged_record_is_named(tmp_path, contents):
    (tmp_path / "config.json").write_bytes(contents)
    with pytest.raises(CheckpointError, match=r"config\.json: cannot be read"):
        read_run_record(tmp_path)
