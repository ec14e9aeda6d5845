"""Convolution, BatchNorm and pooling: one signature each, computed by XLA or, faster on a CPU, by oneDNN."""

from femo_jax.ops.batch_norm import batch_norm
from femo_jax.ops.choice import Choice, Implementation, Ops, choose
from femo_jax.ops.convolution import conv2d
from femo_jax.ops.pooling import avg_pool, max_pool

__all__ = ["Choice", "Implementation", "Ops", "avg_pool", "batch_norm", "choose", "conv2d", "max_pool"]
