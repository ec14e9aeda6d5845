"""Layers shared by the networks. Convolution, BatchNorm and pooling are those of `femo_jax.ops`."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from femo_jax.ops import Implementation, batch_norm, conv2d
from femo_jax.ops.batch_norm import normalized
from femo_jax.ops.geometry import Padding


class Conv(nn.Module):
    """A convolution with the parameters of `nn.Conv`: `kernel [size, size, c / groups, features]`, perhaps `bias`.

    Attributes:
      features: channels of the output.
      size: height and width of the kernel.
      strides: step along both.
      padding: SAME or VALID.
      groups: convolutions side by side, each of its share of the channels.
      use_bias: whether it adds one.
      dtype: in which it computes; parameters are float32.
      kernel_init: initialiser of the kernel.
      ops: implementation.
    """

    features: int
    size: int = 3
    strides: int = 1
    padding: Padding = "SAME"
    groups: int = 1
    use_bias: bool = False
    dtype: DTypeLike = jnp.float32
    kernel_init: Callable[..., jax.Array] = nn.initializers.lecun_normal()
    ops: Implementation = "xla"

    @nn.compact
    def __call__(self, x: jax.Array, *, shift: jax.Array | None = None, relu: bool = False) -> jax.Array:
        """`[b, h, w, c]` -> `[b, h', w', features]`; a `shift [features]` is added like a bias; cut at 0 if `relu`."""
        shape = (self.size, self.size, x.shape[-1] // self.groups, self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            shift = bias if shift is None else bias + shift
        return conv2d(
            x.astype(self.dtype),
            kernel,
            shift,
            strides=self.strides,
            padding=self.padding,
            groups=self.groups,
            relu=relu,
            implementation=self.ops,
        )


class BatchNorm(nn.Module):
    """Batch normalisation with the parameters and running averages of `nn.BatchNorm`, optionally followed by ReLU.

    Attributes:
      relu: cut the output at 0.
      momentum: share of the running averages that a step keeps.
      epsilon: added to the variance.
      dtype: of the output; moments and parameters are float32.
      scale_init: initialiser of the scale.
      ops: implementation in training. With running averages it is element-wise work, which XLA does.
    """

    relu: bool = False
    momentum: float = 0.9
    epsilon: float = 1e-5
    dtype: DTypeLike = jnp.float32
    scale_init: Callable[..., jax.Array] = nn.initializers.ones
    ops: Implementation = "xla"

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """`[b, ..., c]` -> the same; by the batch's own moments in training, else by their running averages."""
        features = x.shape[-1:]
        scale = self.param("scale", self.scale_init, features)
        bias = self.param("bias", nn.initializers.zeros, features)
        mean = self.variable("batch_stats", "mean", jnp.zeros, features)
        var = self.variable("batch_stats", "var", jnp.ones, features)
        x = x.astype(self.dtype)
        if not train:
            return normalized(x, mean.value, var.value, scale, bias, epsilon=self.epsilon, relu=self.relu)
        y, batch_mean, batch_var = batch_norm(
            x, scale, bias, epsilon=self.epsilon, relu=self.relu, implementation=self.ops
        )
        if not self.is_initializing():
            mean.value = self.momentum * mean.value + (1 - self.momentum) * batch_mean
            var.value = self.momentum * var.value + (1 - self.momentum) * batch_var
        return y


class DropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016, arXiv:1603.09382): drops a residual branch for some images in training.

    Attributes:
      rate: share of the images whose branch is dropped; the others' are scaled up to keep the mean.
    """

    rate: float

    @nn.compact
    def __call__(self, branch: jax.Array, *, train: bool) -> jax.Array:
        """`[b, h, w, c]` -> the same, from the random stream `dropout`."""
        return nn.Dropout(self.rate, broadcast_dims=(1, 2, 3), deterministic=not train)(branch)


def space_to_depth2(x: jax.Array) -> jax.Array:
    """Moves each 2x2 block into channels: `[b, h, w, c]` -> `[b, h / 2, w / 2, 4 c]`, for even h and w."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // 2, 2, width // 2, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, height // 2, width // 2, 4 * channels)


def global_mean(x: jax.Array) -> jax.Array:
    """Global average pooling: `[b, h, w, c]` -> `[b, c]`."""
    return jnp.mean(x, axis=(1, 2))
