"""What a network costs: parameters, multiply-adds per face, and memory, all found by tracing it."""

import math
import os
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict

from femo_jax.errors import ConfigError
from femo_jax.preprocess import IMAGE_SIZE

MAX_LAYERS = "FEMO_MAX_LAYERS"
"""Environment variable: the most layers that a network may have, 500 by default."""

MAX_MEMORY = "FEMO_MAX_MEMORY_MIB"
"""Environment variable: the most memory in MiB that weights and one image may take, 1,024 by default."""


class Cost(NamedTuple):
    """The size of a network.

    Attributes:
      parameters: trainable numbers, without the running statistics of BatchNorm.
      multiply_adds: of one forward pass of one image, in convolutions and dense layers alone; a multiply-add counts
        as one, and padding as pixels.
    """

    parameters: int
    multiply_adds: int


class Limits(NamedTuple):
    """Bounds on a network that comes from a file, checked before anything of its size is allocated.

    Attributes:
      layers: the most layers, those within others included.
      memory: the most bytes of the weights, as float32, and of the outputs of all layers for one image.
    """

    layers: int = 500
    memory: int = 2**30

    @classmethod
    def from_environment(cls) -> "Limits":
        """The default limits, or those of `FEMO_MAX_LAYERS` and `FEMO_MAX_MEMORY_MIB`.

        Raises:
          ConfigError: a variable is not a positive integer.
        """
        layers, mib = (_positive(name) for name in (MAX_LAYERS, MAX_MEMORY))
        return cls(layers or cls().layers, mib * 2**20 if mib else cls().memory)

    def check_memory(self, size: int, what: str) -> None:
        """Refuse more bytes than the limit, with ConfigError; `what` needs them."""
        if size > self.memory:
            raise ConfigError(
                f"{what} need {size / 2**20:,.0f} MiB, and the limit is {self.memory / 2**20:,.0f} MiB;"
                f" set {MAX_MEMORY} to raise it"
            )


class Outline(NamedTuple):
    """The arrays of a network, without their contents.

    Attributes:
      shapes: of the variables, by names such as `params/Conv_0/kernel`.
      logits: shape and dtype of the output for one image.
    """

    shapes: dict[str, tuple[int, ...]]
    logits: jax.ShapeDtypeStruct


def outline(model: nn.Module, image_size: int, limits: Limits) -> Outline:
    """Trace a network for one image, within limits; nothing of its size is allocated.

    Args:
      model: a network as `femo_jax.models.register` describes it.
      image_size: height and width of its input in pixels.
      limits: tracing ends where one of them is exceeded.

    Raises:
      ConfigError: a limit is exceeded, or the network cannot be built.
    """
    layers = activations = 0

    def count(call: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        nonlocal layers, activations
        if context.method_name != "__call__":
            return call(*args, **kwargs)
        layers += 1
        if layers > limits.layers:
            raise ConfigError(f"more than {limits.layers:,} layers; set {MAX_LAYERS} to raise the limit")
        output = call(*args, **kwargs)
        activations += sum(4 * math.prod(leaf.shape) for leaf in jax.tree.leaves(output))
        limits.check_memory(activations, f"an image of {image_size} x {image_size} pixels and its layers")
        return output

    images = jax.ShapeDtypeStruct((1, image_size, image_size, 1), np.float32)
    try:
        limits.check_memory(4 * image_size**2, f"an image of {image_size} x {image_size} pixels and its layers")
        with nn.intercept_methods(count):
            # The key is made within, where it is only traced: compiling what makes it takes longer than all the rest.
            logits, variables = jax.eval_shape(
                lambda images: model.init_with_output(jax.random.key(0), images, train=False), images
            )
        shapes = {name: value.shape for name, value in flatten_dict(variables, sep="/").items()}  # pyright: ignore
        limits.check_memory(4 * sum(math.prod(shape) for shape in shapes.values()) + activations, "its weights")
    except ConfigError:
        raise
    # What is raised for options that make no network depends on the network and the option.
    except Exception as error:
        raise ConfigError(f"the network cannot be built: {type(error).__name__}: {error}") from error
    empty = [name for name, shape in shapes.items() if 0 in shape]
    if empty:
        raise ConfigError(f"{empty[0]} has shape {list(shapes[empty[0]])}, which is empty")
    return Outline(shapes, logits)  # pyright: ignore[reportArgumentType]


def model_cost(model: nn.Module, image_size: int = IMAGE_SIZE) -> Cost:
    """Count parameters and multiply-adds without computing: the network is only traced.

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

    def init() -> Any:
        return model.init(jax.random.key(0), jnp.zeros((1, image_size, image_size, 1)), train=False)

    with nn.intercept_methods(count_kernel):
        variables = jax.eval_shape(init)
    weights = jax.tree.leaves(variables["params"])
    if counted != sum(weight.size for weight in weights if weight.ndim > 1):
        raise ValueError(f"{type(model).__name__}: not every weight matrix is the `kernel` of a layer called once")
    return Cost(parameters=sum(weight.size for weight in weights), multiply_adds=multiply_adds)


def _positive(name: str) -> int | None:
    """An environment variable that holds a positive integer, or None where it is not set."""
    text = os.environ.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 16 and int(text)):
        raise ConfigError(f"{name} is {text!r}; expected a positive integer")
    return int(text)
