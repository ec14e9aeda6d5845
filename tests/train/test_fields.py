from dataclasses import dataclass, field

import pytest

from femo_jax.errors import ConfigError
from femo_jax.train import fields
from femo_jax.train.config import TrainConfig
from femo_jax.train.fields import override


def test_values_have_the_type_of_their_field():
    changes = {
        "epochs": "3",
        "learning_rate": "1",
        "class_weights": "balanced",
        "model": "simple_cnn",
        "augmentation.flip": "False",
        "augmentation.rotation": "15",
        "augmentation.erasing_area": "[0.1, 0.2]",
        "model_options.widths": "[4,4,8,8]",
        "model_options.dropout": "0.25",
        "model_options.dtype": "bfloat16",
    }
    config = override(TrainConfig(model="simple_cnn", model_options={"dense": 16}), changes)
    assert (config.epochs, config.model, config.class_weights) == (3, "simple_cnn", "balanced")
    assert isinstance(config.learning_rate, float)
    assert config.augmentation.flip is False
    assert (config.augmentation.rotation, config.augmentation.erasing_area) == (15.0, (0.1, 0.2))
    assert isinstance(config.augmentation.rotation, float)
    expected = {"dense": 16, "widths": (4, 4, 8, 8), "dropout": 0.25, "dtype": "bfloat16"}
    assert config.model_options == expected
    assert override(TrainConfig(), {"class_weights": "none"}).class_weights == "none"
    assert override(TrainConfig(), {"model_options": '{"dropout": 0.5}'}).model_options == {"dropout": 0.5}


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("label_smooth", "0", r"no such field\. Did you mean label_smoothing\?"),
        ("augmentation.rot", "0", r"no such field\..* There are .*augmentation\.rotation"),
        ("augmentation", "0", "fields of its own: .*rotation"),
        ("epochs.many", "3", "no fields of its own"),
        ("model_options.wings", "2", r"no such field\..* There are .*model_options\.widths"),
        ("epochs", "many", "epochs is 'many': expected a whole number"),
        ("epochs", "2.5", "expected a whole number"),
        ("epochs", "true", "expected a whole number"),
        ("learning_rate", "fast", "expected a finite number"),
        ("learning_rate", "NaN", "expected a finite number"),
        ("augmentation.flip", "1", "expected true or false"),
        ("optimizer", "lion", "expected one of sgd, adamw"),
        ("augmentation.erasing_area", "0.1", "expected a JSON list"),
        ("augmentation.erasing_area", "[0.1]", "expected a JSON list of 2"),
        ("augmentation.erasing_area", '["a", 1]', "expected a finite number"),
        ("model_options", "[1]", "expected a JSON object"),
        ("model_options.widths", "[8.5]", "expected a whole number"),
        ("epochs", "0", "epochs is 0"),
        ("model", "resnet9000", "resnet9000"),
    ],
)
def test_unknown_fields_and_values_are_refused_with_what_there_is(field, text, message):
    changes = {field: text} | ({"model_options.dropout": "0.1"} if field == "model" else {})
    with pytest.raises(ConfigError, match=message):
        override(TrainConfig(), changes)


@pytest.mark.parametrize(
    "fields", [("model_options", "model_options.dropout"), ("model_options.dropout", "model_options")]
)
def test_a_field_as_a_whole_and_in_part_is_refused(fields):
    with pytest.raises(ConfigError, match="both as a whole and in part"):
        override(TrainConfig(), dict.fromkeys(fields, "{}"))


@dataclass(frozen=True)
class Inner:
    depth: int | None = 3
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    low: int = 0
    high: int = 1
    inner: Inner = field(default_factory=Inner)
    model: str = "femonet"

    def __post_init__(self):
        if self.low >= self.high:
            raise ConfigError("low is not below high")


def test_it_works_for_any_dataclass_and_sets_all_values_at_once():
    changes = {"low": "5", "high": "6", "inner.depth": "none", "inner.names": '["a", "b"]'}
    assert override(Outer(), changes) == Outer(5, 6, Inner(None, ("a", "b")))
    assert override(Outer(), {"inner.depth": "7"}).inner.depth == 7
    with pytest.raises(ConfigError, match="a whole number or none"):
        override(Outer(), {"inner.depth": "deep"})


def test_example_in_docstring():
    import doctest

    assert doctest.testmod(fields).failed == 0
