"""FemoNet: a small residual CNN whose shape follows what a CPU runs fast."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from femo_jax.models.layers import BatchNorm, Conv, DropPath, global_mean, space_to_depth2
from femo_jax.models.registry import register
from femo_jax.ops import Implementation, max_pool

_he_normal = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


@register("femonet")
class FemoNet(nn.Module):
    """Residual stages of dense 3x3 convolutions behind a space-to-depth stem.

    The stem rearranges 48x48x1 to 24x24x4, so that no layer runs at 48x48, where element-wise operations
    outweigh the convolutions. Each stage is a 3x3 convolution to a new width and
    `blocks` residual 3x3 convolutions (He et al. 2015, arXiv:1512.03385), every one with BatchNorm and
    ReLU; stages are divided by 2x2 max pooling. Global average pooling, Dropout and one dense layer
    follow. In training, `drop_path` drops residual branches at random; with `identity_start` their last scale is
    initialised to 0 (Goyal et al. 2017, arXiv:1706.02677).

    With the default widths: 2,640,775 parameters, 66.7 M multiply-adds for a 48x48 image.
    """

    num_classes: int = 7
    widths: Sequence[int] = (48, 96, 192, 384)
    blocks: int = 1
    dropout: float = 0.2
    drop_path: float = 0.0
    identity_start: bool = False
    dtype: Any = jnp.float32
    ops: Implementation = "xla"

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> jax.Array:
        """`[b, 48, 48, 1]` normalised float images -> `[b, num_classes] float32` logits."""
        branch_scale = nn.initializers.zeros if self.identity_start else nn.initializers.ones
        x = space_to_depth2(images.astype(self.dtype))
        for stage, width in enumerate(self.widths):
            if stage:
                x = max_pool(x, implementation=self.ops)
            x = self._conv_norm(x, width, train, relu=True)
            for _ in range(self.blocks):
                branch = self._conv_norm(x, width, train, relu=False, scale_init=branch_scale)
                if self.drop_path:
                    branch = DropPath(self.drop_path)(branch, train=train)
                x = nn.relu(x + branch)
        x = nn.Dropout(self.dropout, deterministic=not train)(global_mean(x))
        return nn.Dense(self.num_classes, name="head")(x.astype(jnp.float32))

    def _conv_norm(
        self, x: jax.Array, width: int, train: bool, *, relu: bool, scale_init: Any = nn.initializers.ones
    ) -> jax.Array:
        x = Conv(width, dtype=self.dtype, kernel_init=_he_normal, ops=self.ops)(x)
        return BatchNorm(relu=relu, dtype=self.dtype, scale_init=scale_init, ops=self.ops)(x, train=train)
