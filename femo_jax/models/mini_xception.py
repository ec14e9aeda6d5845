"""Mini-Xception, the small network that the field compares itself with."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.typing import DTypeLike

from femo_jax.models.layers import BatchNorm, Conv, global_mean
from femo_jax.models.registry import register
from femo_jax.ops import Implementation, conv2d, max_pool

_he_normal = nn.initializers.he_normal()


class DepthwiseConv3(nn.Module):
    """A 3x3 convolution of each channel with its own kernel, stride 1, padding "SAME", no bias.

    With XLA, nine shifted multiply-adds: its grouped convolution and its gradients are several times slower on a CPU.
    The kernel is `[3, 3, c]`.
    """

    dtype: DTypeLike = jnp.float32
    ops: Implementation = "xla"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """`[b, h, w, c]` -> `[b, h, w, c]`."""
        _, height, width, channels = x.shape
        initializer = nn.initializers.variance_scaling(2.0, "fan_in", "normal", in_axis=(0, 1), out_axis=2)
        kernel = self.param("kernel", initializer, (3, 3, channels))
        x = x.astype(self.dtype)
        if self.ops != "xla":
            return conv2d(x, kernel[:, :, None], groups=channels, implementation=self.ops)
        kernel = kernel.astype(self.dtype)
        padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        output = jnp.zeros_like(padded[:, :height, :width])
        for row, column in np.ndindex(3, 3):
            output += padded[:, row : row + height, column : column + width] * kernel[row, column]
        return output


@register("mini_xception")
class MiniXception(nn.Module):
    """Mini-Xception: residual separable convolutions, no dense layer (Arriaga et al. 2017, arXiv:1710.07557).

    Layer by layer the authors' `mini_XCEPTION`, on 48x48 instead of 64x64 pixels: two plain convolutions without
    padding, four residual modules of two separable convolutions and a pooling each, a convolution to the classes and
    global average pooling. The authors count the running statistics of BatchNorm too, and so come to 58,423.

    With the default widths: 56,951 parameters, 5.5 M multiply-adds for a 48x48 image.

    Attributes:
      num_classes: length of the logits.
      stem_width: channels of the two plain convolutions.
      widths: channels of each residual module.
      dropout: rate, in whole channels, before the last convolution; the authors have none.
      dtype: in which the layers compute; parameters and logits are float32.
      ops: implementation of convolution, BatchNorm and pooling.
    """

    num_classes: int = 7
    stem_width: int = 8
    widths: tuple[int, ...] = (16, 32, 64, 128)
    dropout: float = 0.0
    dtype: DTypeLike = jnp.float32
    ops: Implementation = "xla"

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> jax.Array:
        """`[b, h, w, 1]` normalised float images -> `[b, num_classes] float32` logits."""
        x = images
        for _ in range(2):
            x = self._norm(self._conv(self.stem_width, 3, padding="VALID")(x), train, relu=True)
        for width in self.widths:
            shortcut = self._norm(self._conv(width, 1, strides=2)(x), train)
            x = self._norm(self._separable_conv(x, width), train, relu=True)
            x = self._norm(self._separable_conv(x, width), train)
            x = max_pool(x, 3, strides=2, padding="SAME", implementation=self.ops) + shortcut
        x = nn.Dropout(self.dropout, broadcast_dims=(1, 2), deterministic=not train)(x)
        x = Conv(self.num_classes, use_bias=True, dtype=self.dtype, ops=self.ops, name="head")(x)
        return global_mean(x.astype(jnp.float32))

    def _conv(self, width: int, size: int, **options: Any) -> Conv:
        return Conv(width, size, dtype=self.dtype, kernel_init=_he_normal, ops=self.ops, **options)

    def _separable_conv(self, x: jax.Array, width: int) -> jax.Array:
        return self._conv(width, 1)(DepthwiseConv3(dtype=self.dtype, ops=self.ops)(x))

    def _norm(self, x: jax.Array, train: bool, *, relu: bool = False) -> jax.Array:
        return BatchNorm(relu=relu, dtype=self.dtype, ops=self.ops)(x, train=train)
