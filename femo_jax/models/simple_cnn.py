"""The four-block CNN that most FER-2013 projects start from."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from femo_jax.models.layers import BatchNorm, Conv
from femo_jax.models.registry import register
from femo_jax.ops import Implementation, max_pool

_he_normal = nn.initializers.he_normal()


@register("simple_cnn")
class SimpleCNN(nn.Module):
    """Four blocks of 3x3 convolutions and a dense head, after VGG (Simonyan and Zisserman 2014, arXiv:1409.1556).

    Each block is its convolutions with BatchNorm and ReLU, 2x2 max pooling and Dropout. Most of such networks begin
    with 64 channels; here they are 32, because at 48x48 pixels element-wise work outweighs the convolutions.

    With the default widths: 980,455 parameters, 33.1 M multiply-adds for a 48x48 image.

    Attributes:
      num_classes: length of the logits.
      widths: channels of each block.
      convolutions: how many each block has.
      dense: units of the hidden dense layer.
      dropout: rate before the last layer; half of it before the hidden one, and a fifth of it, in whole channels,
        after each block.
      dtype: in which the layers compute; parameters and logits are float32.
      ops: implementation of convolution, BatchNorm and pooling.
    """

    num_classes: int = 7
    widths: tuple[int, ...] = (32, 64, 128, 256)
    convolutions: tuple[int, ...] = (1, 1, 1, 1)
    dense: int = 256
    dropout: float = 0.5
    dtype: DTypeLike = jnp.float32
    ops: Implementation = "xla"

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> jax.Array:
        """`[b, h, w, 1]` normalised float images -> `[b, num_classes] float32` logits; h and w as in `init`."""
        x = images
        for width, convolutions in zip(self.widths, self.convolutions, strict=True):
            for _ in range(convolutions):
                x = Conv(width, dtype=self.dtype, kernel_init=_he_normal, ops=self.ops)(x)
                x = self._norm_relu(x, train)
            x = max_pool(x, implementation=self.ops)
            x = nn.Dropout(self.dropout / 5, broadcast_dims=(1, 2), deterministic=not train)(x)
        x = x.reshape(x.shape[0], -1)
        x = nn.Dropout(self.dropout / 2, deterministic=not train)(x)
        x = nn.Dense(self.dense, use_bias=False, dtype=self.dtype, kernel_init=_he_normal)(x)
        x = self._norm_relu(x, train)
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.num_classes, name="head")(x.astype(jnp.float32))

    def _norm_relu(self, x: jax.Array, train: bool) -> jax.Array:
        return BatchNorm(relu=True, dtype=self.dtype, ops=self.ops)(x, train=train)
