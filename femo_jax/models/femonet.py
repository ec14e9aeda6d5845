"""FemoNet: a small residual CNN whose shape follows what a CPU runs fast."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from femo_jax.models.layers import global_mean, max_pool2, space_to_depth2
from femo_jax.models.registry import register

_he_normal = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


@register("femonet")
class FemoNet(nn.Module):
    """Residual stages of dense 3x3 convolutions behind a space-to-depth stem.

    The stem folds 48x48x1 into 24x24x4 without losing a pixel, so that no layer works at 48x48, where
    element-wise work outweighs the convolutions. Each stage is a 3x3 convolution to a new width and
    `blocks` residual 3x3 convolutions (He et al. 2015, arXiv:1512.03385), every one with BatchNorm and
    ReLU; stages are divided by 2x2 max pooling. Global average pooling, Dropout and one dense layer end it.

    With the default widths: 2,640,775 parameters, 66.7 M multiply-adds for a 48x48 picture.
    """

    num_classes: int = 7
    widths: Sequence[int] = (48, 96, 192, 384)
    blocks: int = 1
    dropout: float = 0.2
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> jax.Array:
        """`[b, 48, 48, 1]` normalised float pictures -> `[b, num_classes] float32` logits."""
        x = space_to_depth2(images.astype(self.dtype))
        for stage, width in enumerate(self.widths):
            if stage:
                x = max_pool2(x)
            x = nn.relu(self._conv_norm(x, width, train))
            for _ in range(self.blocks):
                x = nn.relu(x + self._conv_norm(x, width, train))
        x = nn.Dropout(self.dropout, deterministic=not train)(global_mean(x))
        return nn.Dense(self.num_classes, name="head")(x.astype(jnp.float32))

    def _conv_norm(self, x: jax.Array, width: int, train: bool) -> jax.Array:
        x = nn.Conv(width, (3, 3), use_bias=False, dtype=self.dtype, kernel_init=_he_normal)(x)
        return nn.BatchNorm(use_running_average=not train, momentum=0.9, dtype=self.dtype)(x)
