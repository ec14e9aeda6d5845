import jax
import numpy as np
import pytest
from flax import linen as nn

from femo_jax.model_file import LoadedModel, load_model_file, logits_function, save_model_file
from femo_jax.models import create_model, model_names, registry
from femo_jax.models.fold import fold_batch_norm
from femo_jax.models.layers import BatchNorm, Conv
from femo_jax.models.mini_xception import DepthwiseConv3
from femo_jax.ops import Implementation

SMALL = {
    "femonet": {"widths": (8, 8, 12, 12)},
    "mini_xception": {},
    "simple_cnn": {"widths": (8, 8, 12, 12), "dense": 16},
}


def random_variables(model, images):
    """Weights and statistics of which none is like another, and with which no ReLU is always on or off."""
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), images, train=False))
    rng = np.random.default_rng(0)

    def values(path, leaf):
        name = jax.tree_util.keystr(path)
        if leaf.ndim > 1:
            return rng.normal(0, 1.4 / np.sqrt(leaf.size / leaf.shape[-1]), leaf.shape).astype(np.float32)
        low, high = (0.3, 2.0) if "var" in name or "scale" in name else (-0.5, 0.5)
        return rng.uniform(low, high, leaf.shape).astype(np.float32)

    return jax.tree_util.tree_map_with_path(values, shapes)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(3, 48, 48, 1)).astype(np.float32)


def folded_and_whole(model, images):
    """The folded function, and what it and the network as it is say of the images."""
    variables = random_variables(model, images)
    folded = fold_batch_norm(model, variables, images)
    whole = jax.jit(lambda variables, images: model.apply(variables, images, train=False))(variables, images)
    assert np.std(whole) > 0.01  # something is computed
    return folded, np.asarray(jax.jit(lambda function, images: function(images))(folded, images)), np.asarray(whole)


@pytest.mark.parametrize("name", model_names())
def test_every_network_keeps_its_logits_and_loses_its_batch_norms(name, implementation, images):
    folded, logits, whole = folded_and_whole(create_model(name, ops=implementation, **SMALL.get(name, {})), images)
    np.testing.assert_allclose(logits, whole, rtol=1e-4, atol=1e-4 * np.abs(whole).max())
    assert {"params"} == set(folded.args[0])
    assert not any("scale" in jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(folded.args[0]))


class WithoutBatchNorm(nn.Module):
    num_classes: int = 7

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.LayerNorm()(nn.relu(nn.Conv(4, (3, 3), strides=4)(x)))
        return nn.Dense(self.num_classes)(x.mean((1, 2)))


def test_a_network_without_batch_norm_stays_as_it_is(images):
    folded, logits, whole = folded_and_whole(WithoutBatchNorm(), images)
    np.testing.assert_allclose(logits, whole, rtol=1e-5)
    assert set(folded.args[0]) == {"params"}


def test_a_network_without_batch_norm_has_a_model_file(images, tmp_path, monkeypatch):
    monkeypatch.setitem(registry._NETWORKS, "without_batch_norm", WithoutBatchNorm)
    variables = random_variables(WithoutBatchNorm(), images)
    assert set(variables) == {"params"}
    save_model_file(tmp_path / "model.safetensors", LoadedModel("without_batch_norm", {}, variables), "float32")
    loaded = load_model_file(tmp_path / "model.safetensors")
    assert jax.jit(logits_function(loaded))(np.zeros((2, 48, 48, 1), np.uint8)).shape == (2, 7)


def norm(**options):
    return nn.BatchNorm(use_running_average=True, **options)


class Foldable(nn.Module):
    """Each layer that folds, with and without what may be left out."""

    @nn.compact
    def __call__(self, x, *, train):
        x = norm(use_scale=False)(nn.Conv(4, (3, 3))(x))
        x = norm(use_bias=False, epsilon=0.1)(nn.Conv(4, (3, 3), use_bias=False, feature_group_count=2)(nn.relu(x)))
        x = norm(use_bias=False, use_scale=False)(DepthwiseConv3()(nn.relu(x)))
        return norm()(nn.Dense(7)(nn.relu(x).mean(axis=(1, 2))))


def test_layers_and_norms_with_and_without_their_parts(images):
    folded, logits, whole = folded_and_whole(Foldable(), images)
    np.testing.assert_allclose(logits, whole, rtol=1e-4, atol=1e-5)
    assert set(folded.args[1]) == {f"BatchNorm_{index}" for index in range(4)}


class OwnLayers(nn.Module):
    """femo's layers, whose convolution adds the shift itself, with and without ReLU and bias."""

    ops: Implementation

    @nn.compact
    def __call__(self, x, *, train):
        x = BatchNorm(relu=True, epsilon=0.1)(Conv(4, use_bias=True, strides=2, ops=self.ops)(x), train=train)
        x = x + BatchNorm()(Conv(4, groups=2, ops=self.ops)(x), train=train)
        x = BatchNorm(relu=True)(DepthwiseConv3(ops=self.ops)(x), train=train)
        x = BatchNorm(relu=True)(nn.Dense(8)(x.mean(axis=(1, 2))), train=train)
        x = BatchNorm(relu=True, name="kept")(x, train=train)
        return nn.Dense(7)(x)


def test_own_layers(implementation, images):
    folded, logits, whole = folded_and_whole(OwnLayers(implementation), images)
    np.testing.assert_allclose(logits, whole, rtol=1e-4, atol=1e-5)
    assert set(folded.args[1]) == {f"BatchNorm_{index}" for index in range(4)}
    assert "kept" in folded.args[0]["params"]


class Kept(nn.Module):
    """One BatchNorm that must stay as it is, in front of one that folds."""

    case: str

    @nn.compact
    def __call__(self, x, *, train):
        convolution, images = nn.Conv(4, (3, 3), name="before"), x
        x = convolution(images)
        if self.case == "behind something else":
            x = norm(name="kept")(nn.relu(x))
        elif self.case == "output used twice":
            x = norm(name="kept")(x) + x
        elif self.case == "layer called twice":
            x = norm(name="kept")(x) + convolution(-images)
        elif self.case == "norm called twice":
            kept = norm(name="kept")
            x = kept(kept(x))
        elif self.case == "other axis":
            x = norm(name="kept", axis=1)(x)
        elif self.case == "behind another norm":
            x = norm(name="kept")(norm(name="also_folded")(x))
        x = norm(name="folded")(nn.Conv(4, (3, 3))(x))
        return nn.Dense(7)(x.mean(axis=(1, 2)))


@pytest.mark.parametrize(
    "case",
    [
        "behind something else",
        "output used twice",
        "layer called twice",
        "norm called twice",
        "other axis",
        "behind another norm",
    ],
)
def test_what_cannot_be_folded_stays(case, images):
    folded, logits, whole = folded_and_whole(Kept(case), images)
    np.testing.assert_allclose(logits, whole, rtol=1e-4, atol=1e-5)
    assert "folded" in folded.args[1]
    assert "kept" not in folded.args[1]
    assert "kept" in folded.args[0]["params"]


def test_type_of_the_computation_is_kept(images):
    class Half(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            return norm(dtype=np.float16)(nn.Dense(7, dtype=np.float16)(x.reshape(len(x), -1)))

    _, logits, whole = folded_and_whole(Half(), images)
    assert logits.dtype == whole.dtype == np.float16
    np.testing.assert_allclose(logits, whole, rtol=0.02, atol=0.02)


def test_weights_are_arguments_of_a_jitted_function(images):
    model = Foldable()
    folded = fold_batch_norm(model, random_variables(model, images), images)
    graph = jax.make_jaxpr(lambda function, images: function(images))(folded, images)
    assert max((np.size(constant) for constant in graph.consts), default=0) <= 1


def test_the_network_and_its_arrays_are_left_alone(images):
    model = Foldable()
    variables = random_variables(model, images)
    before = jax.tree.map(np.copy, variables)
    fold_batch_norm(model, variables, jax.ShapeDtypeStruct(images.shape, images.dtype))
    jax.tree.map(np.testing.assert_array_equal, variables, before)
