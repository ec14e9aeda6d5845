"""The layers of any network: those of its intermediate maps through which everything passes.

A network is traced, and its graph read as JAX has it. So nothing in a network need be named or marked for this, and
what a linen module computes between its submodules, as the sum at the end of a residual block, is found as well.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax.core import eval_jaxpr
from jax.extend.core import Literal

Logits = Callable[[jax.Array], jax.Array]
"""A network: normalised images `[b, h, w, 1] float32` -> `[b, classes]`; a pytree, to be an argument under jit."""


class Layer(NamedTuple):
    """A map inside a network.

    Attributes:
      height: in cells.
      width: in cells.
      channels: how many.
      step: its place among the steps of the traced network.
    """

    height: int
    width: int
    channels: int
    step: int


def find_layers(logits: Logits, images: jax.Array | jax.ShapeDtypeStruct) -> tuple[Layer, ...]:
    """The last map of each size, in the order in which they are computed.

    Counted are maps `[b, h, w, c]` that no path from the images to the logits goes around: not the inside of a
    residual block, but its sum. What a network does inside `nn.jit`, `nn.remat` or `nn.scan` is not seen.

    Args:
      logits: the network.
      images: `[b, h, w, 1] float32`, or their shape.
    """
    graph = jax.make_jaxpr(logits)(images).jaxpr
    last_use = {value: step for step, equation in enumerate(graph.eqns) for value in _variables(equation.invars)}
    last_use |= dict.fromkeys(_variables(graph.outvars), len(graph.eqns))
    by_image = _dependent(graph)
    found: dict[tuple[int, int], Layer] = {}
    needed = set(graph.invars)  # what is known of the images at this step and used after it
    for step, equation in enumerate(graph.eqns):
        needed |= by_image.intersection(equation.outvars)
        needed = {value for value in needed if last_use.get(value, -1) > step}
        shape = cast(jax.ShapeDtypeStruct, equation.outvars[0].aval).shape
        if needed == {equation.outvars[0]} and len(shape) == 4 and min(shape[1:3]) > 1:
            _, height, width, channels = shape
            found.pop((height, width), None)  # so that the order is that of the last ones
            found[height, width] = Layer(height, width, channels, step)
    return tuple(found.values())


def activations_and_gradients(
    logits: Logits, images: jax.Array, target: jax.Array | int, layer: Layer
) -> tuple[jax.Array, jax.Array]:
    """A layer's map, and the gradient of a logit with respect to it.

    Args:
      logits: the network.
      images: `[b, h, w, 1] float32`, normalised.
      target: the class whose logit it is.
      layer: of `find_layers`.

    Returns:
      Two arrays `[b, layer height, layer width, layer channels] float32`.
    """
    closed = jax.make_jaxpr(logits)(images)
    graph, value = closed.jaxpr, closed.jaxpr.eqns[layer.step].outvars[0]
    before = graph.replace(eqns=graph.eqns[: layer.step + 1], outvars=[value])
    # What is made of the weights alone may be made before the layer and used behind it.
    by_image = _dependent(graph)
    kept = [
        equation
        for step, equation in enumerate(graph.eqns)
        if step > layer.step or by_image.isdisjoint(equation.outvars)
    ]
    behind = graph.replace(eqns=kept, invars=[value])

    def target_logit(activations: jax.Array) -> jax.Array:
        return eval_jaxpr(behind, closed.consts, activations)[0][:, target].sum()

    (activations,) = eval_jaxpr(before, closed.consts, images)
    gradients = jax.grad(target_logit)(activations)
    return activations.astype(jnp.float32), gradients.astype(jnp.float32)


def _dependent(graph: Any) -> set[Any]:
    """The values of a graph that depend on its inputs."""
    dependent = set(graph.invars)
    for equation in graph.eqns:
        if not dependent.isdisjoint(_variables(equation.invars)):
            dependent.update(equation.outvars)
    return dependent


def _variables(atoms: Iterable[Any]) -> list[Any]:
    """Without the literals, which stand for small constants and are not hashable."""
    return [atom for atom in atoms if not isinstance(atom, Literal)]
