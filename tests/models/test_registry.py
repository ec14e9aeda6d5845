import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from femo_jax.errors import ConfigError
from femo_jax.models import create_model, model_names, model_options, register
from femo_jax.train.config import load_config


def test_the_promised_networks_exist():
    assert {"simple_cnn", "mini_xception", "femonet"} <= set(model_names())


def test_options_replace_defaults():
    assert create_model("simple_cnn", dropout=0.125).dropout == 0.125
    assert create_model("simple_cnn").dropout == model_options("simple_cnn")["dropout"]


@pytest.mark.parametrize("name", model_names())
def test_options_from_json_make_a_working_network(name):
    model = create_model(name, widths=[8, 8, 8, 8], dtype="bfloat16", num_classes=3)
    images = jnp.zeros((2, 48, 48, 1))
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), images, train=False))
    logits = jax.eval_shape(lambda variables: model.apply(variables, images, train=False), variables)
    assert logits.shape == (2, 3)
    assert logits.dtype == jnp.float32
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(variables))
    assert isinstance(hash(model), int)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"unknown model 'mini_xcption'.*Did you mean mini_xception\?"):
        create_model("mini_xcption")
    with pytest.raises(ConfigError, match=r"unknown model 'resnet50'.*femonet.*mini_xception.*simple_cnn"):
        create_model("resnet50")


def test_unknown_option_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"'simple_cnn' has no option 'drop', 'size'.*widths.*dropout"):
        create_model("simple_cnn", size=3, drop=0.5, dense=8)


def test_parent_and_name_are_not_options():
    with pytest.raises(ConfigError, match="no option 'name'"):
        create_model("simple_cnn", name="mine")


def test_a_name_is_given_once():
    with pytest.raises(ValueError, match="'simple_cnn' is registered already"):
        register("simple_cnn")(nn.Dense)


def test_a_file_that_runs_again_replaces_its_own_network_and_no_other(tmp_path):
    """As a configuration does that two others share."""
    text = """
from flax import linen as nn
from femo_jax.models import register
from femo_jax.train.config import TrainConfig

@register("of_a_shared_file")
class Net(nn.Module):
    num_classes: int = 7

    @nn.compact
    def __call__(self, images, *, train):
        return nn.Dense(self.num_classes)(images.mean((1, 2)))

config = TrainConfig(model="of_a_shared_file")
"""
    for folder in ("mine", "yours"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "base.py").write_text(text)
    for _ in range(2):
        assert load_config(tmp_path / "mine" / "base.py").model == "of_a_shared_file"
    with pytest.raises(ConfigError, match="'of_a_shared_file' is registered already"):
        load_config(tmp_path / "yours" / "base.py")
