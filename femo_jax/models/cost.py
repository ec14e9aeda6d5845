"""What a network costs: parameters, and multiply-adds a picture."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from femo_jax.preprocess import IMAGE_SIZE


class Cost(NamedTuple):
    """The size of a network.

    Attributes:
      parameters: trainable numbers; the running statistics of BatchNorm are not among them.
      multiply_adds: of one forward pass of one picture, in convolutions and dense layers alone; a multiply-add counts
        as one, and padding as pixels.
    """

    parameters: int
    multiply_adds: int


def model_cost(model: nn.Module, image_size: int = IMAGE_SIZE) -> Cost:
    """Counts without computing: the network is only traced.

    A layer that owns a parameter `kernel`, as `nn.Conv`, `nn.Dense` and femo's own layers do, uses each of its
    numbers once at every position of its output `[1, ..., channels]`. So this holds for a convolution however it is
    carried out, unlike a count of XLA's operations.

    Raises:
      ValueError: a weight matrix is not a layer's `kernel`, and would be missed.
    """
    multiply_adds = 0
    counted = 0

    def count_kernel(call: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        nonlocal multiply_adds, counted
        output = call(*args, **kwargs)
        kernel = context.module.variables.get("params", {}).get("kernel")
        if context.method_name == "__call__" and isinstance(kernel, jax.Array):
            multiply_adds += math.prod(output.shape[:-1]) * kernel.size
            counted += kernel.size
        return output

    picture = jnp.zeros((1, image_size, image_size, 1))
    with nn.intercept_methods(count_kernel):
        variables = jax.eval_shape(lambda: model.init(jax.random.key(0), picture, train=False))
    weights = jax.tree.leaves(variables["params"])
    if counted != sum(weight.size for weight in weights if weight.ndim > 1):
        raise ValueError(f"{type(model).__name__}: not every weight matrix is the `kernel` of a layer called once")
    return Cost(parameters=sum(weight.size for weight in weights), multiply_adds=multiply_adds)
