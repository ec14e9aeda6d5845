import pytest

from femo_jax.errors import ConfigError
from femo_jax.train.config import TrainConfig, as_dict, differences, load_config


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
