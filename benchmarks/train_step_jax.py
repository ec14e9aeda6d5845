"""The sides of train_step.py that JAX runs: femo with XLA or oneDNN, and stock Flax layers for comparison."""

from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
import train_step_setting as setting
from jax.typing import DTypeLike
from train_step_setting import Prepared, batch

from femo_jax.models import create_model, model_cost
from femo_jax.models.layers import BatchNorm, Conv, global_mean, space_to_depth2
from femo_jax.ops import Implementation, choose, max_pool
from femo_jax.train.config import TrainConfig
from femo_jax.train.devices import keep_freed_memory
from femo_jax.train.optimizer import create_optimizer
from femo_jax.train.steps import cross_entropy
from femo_jax.train.targets import smooth_targets

_he_normal = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


class Vgg(nn.Module):
    """A plain VGG of femo's layers: stages of two 3x3 convolutions, each with BatchNorm and ReLU, then 2x2 max pooling.

    1,174,439 parameters, 117.5 M multiply-adds for a 48x48 image.
    """

    widths: Sequence[int] = setting.VGG_WIDTHS
    dropout: float = setting.DROPOUT
    dtype: DTypeLike = jnp.float32
    ops: Implementation = "xla"

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> jax.Array:
        """`[b, 48, 48, 1]` normalised images -> `[b, 7] float32` logits."""
        x = images.astype(self.dtype)
        for width in self.widths:
            for _ in range(2):
                x = Conv(width, dtype=self.dtype, kernel_init=_he_normal, ops=self.ops)(x)
                x = BatchNorm(relu=True, dtype=self.dtype, ops=self.ops)(x, train=train)
            x = max_pool(x, implementation=self.ops)
        x = nn.Dropout(self.dropout, deterministic=not train)(global_mean(x))
        return nn.Dense(setting.CLASSES)(x.astype(jnp.float32))


class StockNetwork(nn.Module):
    """FemoNet or the VGG as a user of Flax would write it, with Flax's own layers."""

    network: Literal["femonet", "vgg"]
    dropout: float = setting.DROPOUT
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> jax.Array:
        """`[b, 48, 48, 1]` normalised images -> `[b, 7] float32` logits."""

        def conv_norm(x: jax.Array, width: int) -> jax.Array:
            x = nn.Conv(width, (3, 3), use_bias=False, dtype=self.dtype, kernel_init=_he_normal)(x)
            return nn.BatchNorm(
                not train, momentum=setting.BATCH_NORM_MOMENTUM, epsilon=setting.BATCH_NORM_EPSILON, dtype=self.dtype
            )(x)

        x = images.astype(self.dtype)
        if self.network == "femonet":
            x = space_to_depth2(x)
            for stage, width in enumerate(setting.WIDTHS):
                if stage:
                    x = nn.max_pool(x, (2, 2), (2, 2))
                x = nn.relu(conv_norm(x, width))
                x = nn.relu(x + conv_norm(x, width))
        else:
            for width in setting.VGG_WIDTHS:
                for _ in range(2):
                    x = nn.relu(conv_norm(x, width))
                x = nn.max_pool(x, (2, 2), (2, 2))
        x = nn.Dropout(self.dropout, deterministic=not train)(x.mean((1, 2)))
        return nn.Dense(setting.CLASSES)(x.astype(jnp.float32))


def create_network(name: str, layers: str, dtype: DTypeLike, dropout: float = setting.DROPOUT) -> nn.Module:
    """A network by name; `layers` are Flax's own ("stock"), or femo's by "xla" or "onednn"."""
    if layers == "stock":
        return StockNetwork(name, dropout, dtype)  # pyright: ignore[reportArgumentType]
    make = partial(create_model, "femonet") if name == "femonet" else Vgg
    return make(dropout=dropout, ops=layers).clone(dtype=dtype)


def create_step(model: nn.Module) -> tuple[Any, Callable[..., tuple[Any, jax.Array]]]:
    """A state at its beginning, and the jitted step: (state, images, labels) -> (state, loss)."""
    config = TrainConfig(momentum=setting.MOMENTUM, weight_decay=setting.WEIGHT_DECAY)
    optimizer = create_optimizer(config, optax.constant_schedule(setting.LEARNING_RATE))
    variables = jax.jit(partial(model.init, train=False))(
        jax.random.key(0), jnp.zeros((1, setting.SIZE, setting.SIZE, 1))
    )
    params, batch_stats = variables["params"], variables["batch_stats"]

    @partial(jax.jit, donate_argnums=0)
    def step(state: Any, images: jax.Array, labels: jax.Array) -> tuple[Any, jax.Array]:
        number, params, batch_stats, opt_state = state
        key = jax.random.fold_in(jax.random.key(0), number)

        def loss_fn(params: Any) -> tuple[jax.Array, Any]:
            logits, updates = model.apply(
                {"params": params, "batch_stats": batch_stats},
                images,
                train=True,
                rngs={"dropout": key},
                mutable=["batch_stats"],
            )
            return cross_entropy(logits, smooth_targets(labels, setting.SMOOTHING, 7)).mean(), updates["batch_stats"]

        (loss, batch_stats), gradients = jax.value_and_grad(loss_fn, has_aux=True)(params)
        updates, opt_state = optimizer.update(gradients, opt_state, params)
        return (number + 1, optax.apply_updates(params, updates), batch_stats, opt_state), loss

    return (jnp.zeros((), jnp.int32), params, batch_stats, optimizer.init(params)), step


def prepare(network: str, layers: str, dtype: str) -> Prepared:
    """Compiles the step of a network with one kind of layers.

    Raises:
      ConfigError: oneDNN is not to be had, or not in this dtype.
    """
    if layers != "stock":
        keep_freed_memory()  # as `femo train` does
    if layers == "onednn":
        choose("onednn", dtype)
    model = create_network(network, layers, jnp.dtype(dtype))
    state, step = create_step(model)
    images, labels = map(jnp.asarray, batch())

    def run(steps: int) -> float:
        nonlocal state
        for _ in range(steps):
            state, loss = step(state, images, labels)
        return float(jax.block_until_ready((state, loss))[1])

    packages = ("jax", "flax", *(["onednn-cpu-tbb"] if layers == "onednn" else []))
    cost = model_cost(model)
    return Prepared(
        run,
        parameters=cost.parameters,
        versions={name: version(name) for name in packages},
        gflop=3 * 2 * cost.multiply_adds * len(labels) / 1e9,
    )
