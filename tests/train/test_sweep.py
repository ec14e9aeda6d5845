import dataclasses

import pytest

from femo_jax.errors import ConfigError
from femo_jax.train import sweep
from femo_jax.train.config import TrainConfig
from femo_jax.train.sweep import Run, check_run, expand, parse_grid


def test_a_grid_is_divided_at_the_commas_outside_of_brackets_and_quotes():
    items = ["dropout=0.1,0.2", "widths=[24,48],[48,[1,2]]", 'options={"a": 1, "b": "],"},{}', "x=a=b"]
    assert parse_grid(items) == {
        "dropout": ["0.1", "0.2"],
        "widths": ["[24,48]", "[48,[1,2]]"],
        "options": ['{"a": 1, "b": "],"}', "{}"],
        "x": ["a=b"],
    }


@pytest.mark.parametrize("items", [["dropout"], ["=1"], ["dropout="], ["dropout=1,,2"], ["a=1", "a=2"]])
def test_a_malformed_grid_is_refused(items):
    with pytest.raises(ConfigError, match=f"--grid {items[0].split('=')[0]}"):
        parse_grid(items)


def test_all_combinations_the_first_seed_of_each_first():
    configs = [("wide", TrainConfig(seed=9)), ("narrow", TrainConfig(epochs=3))]
    grid = {"label_smoothing": ["0", "0.10"], "model_options.widths": ["[24,48]"], "augmentation.flip": ["true"]}
    runs = expand(configs, grid, [4, 0])
    assert [(run.label.split(",")[0], run.config.label_smoothing, run.config.seed) for run in runs] == [
        (name, smoothing, seed) for seed in (4, 0) for name in ("wide", "narrow") for smoothing in (0.0, 0.1)
    ]
    label = "wide,label_smoothing=0.1,model_options.widths=24_48,augmentation.flip=true"
    assert str(runs[1].folder) == f"{label}/seed4"
    assert runs[3].config.epochs == 3


def test_without_a_grid_a_label_is_the_name():
    assert expand([("femonet", TrainConfig())], {}, [1]) == [Run("femonet", TrainConfig(seed=1))]


def test_labels_are_safe_as_folders():
    (run,) = expand([("my net|1", TrainConfig())], {"model_options": ['{"dropout": 0.5}']}, [0])
    assert run.label == "my_net_1,model_options=dropout_0.5"
    (run,) = expand([("net", TrainConfig())], {"clip_norm": ["1e-5"]}, [0])
    assert run.label == "net,clip_norm=1e-05"


@pytest.mark.parametrize(
    ("names", "grid", "seeds", "message"),
    [
        ([], {}, [0], "nothing to train"),
        (["net"], {}, [], "nothing to train"),
        (["net"], {"seed": ["1"]}, [0], "--seeds"),
        (["net", "net"], {}, [0], "net/seed0: two runs"),
        (["net"], {"clip_norm": ["1", "1.0"]}, [0], "net,clip_norm=1/seed0: two runs"),
        (["net"], {}, [0, 0], "two runs"),
        (["net"], {}, [-1], "seed is -1"),
        (["n" * 300], {}, [0], "too long"),
    ],
)
def test_impossible_runs_are_refused(names, grid, seeds, message):
    with pytest.raises(ConfigError, match=message):
        expand([(name, TrainConfig()) for name in names], grid, seeds)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_options": {"widths": (4, 0)}}, "net: option widths of model 'femonet' is"),
        ({"low_res_epochs": 1, "low_res_size": 33}, "net: low_res_size is 33"),
        ({"batch_size": 97}, "net: batch_size is 97, but the training split has 96"),
        ({"ferplus_weight": 0.5}, "net: .*votes"),
        ({"soft_labels": "nowhere", "distillation_weight": 0.5}, "net: nowhere: the soft labels cannot be read"),
    ],
)
def test_a_run_that_could_not_begin_is_refused(tiny_config, train_tiles, changes, message):
    check_run(Run("net", tiny_config), "xla", train_tiles)
    with pytest.raises(ConfigError, match=message):
        check_run(Run("net", dataclasses.replace(tiny_config, **changes)), "xla", train_tiles)


def test_batches_that_devices_cannot_share_are_refused(tiny_config, train_tiles, monkeypatch):
    class FourDevices:
        size = 4

    monkeypatch.setattr(sweep, "data_mesh", FourDevices)
    for name in ("batch_size", "eval_batch_size"):
        config = dataclasses.replace(tiny_config, **{name: 18})
        with pytest.raises(ConfigError, match=f"net: {name} is 18"):
            check_run(Run("net", config), "xla", train_tiles)
