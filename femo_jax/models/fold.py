"""Folding of BatchNorm into the layers before it, for faster inference.

At inference BatchNorm maps each channel by a fixed factor and a fixed shift. Behind a convolution or a dense layer the
factor goes into the kernel, and the shift alone is left, which femo's convolutions add, and cut at 0 where BatchNorm
has a ReLU, while they write their output (Jacob et al. 2018, section 3.2, https://arxiv.org/abs/1712.05877).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.ad_checkpoint import checkpoint_name
from jax.tree_util import Partial

from femo_jax.models.layers import BatchNorm, Conv
from femo_jax.models.mini_xception import DepthwiseConv3

_LAYERS = (Conv, nn.Conv, nn.Dense, DepthwiseConv3)
"""Linear layers with the output channels on the last axis of `kernel` and `bias`, if they have one."""


class _Pair(NamedTuple):
    """A layer and the BatchNorm that alone takes its output; paths of modules, as `Stage_0/Conv_1`."""

    layer: str
    norm: str
    epsilon: float
    relu: bool
    fused: bool  # the layer itself adds the shift


def fold_batch_norm(
    model: nn.Module, variables: Mapping[str, Any], example: jax.Array | np.ndarray | jax.ShapeDtypeStruct
) -> Partial:
    """Fold each BatchNorm that directly follows a linear layer, for inference.

    The network is traced once to find them. A BatchNorm after anything else, or after an output that something else
    also uses, is kept.

    Args:
      model: a network as `femo_jax.models.register` describes it.
      variables: its arrays, `{"params": ..., "batch_stats": ...}`.
      example: of the shape and dtype of its input, `[b, h, w, 1] float32`.

    Returns:
      A function of normalised images `[b, h, w, 1] float32` that gives logits `[b, classes] float32`, equal to the
      network's up to rounding. It is a pytree with the folded weights as leaves, to be jitted by the caller.
    """
    weights: dict[str, Any] = flatten_dict(dict(variables), sep="/")  # pyright: ignore[reportAssignmentType]
    shifts = {}
    pairs = _pairs(model, variables, example)
    for pair in pairs:
        mean, var = (np.asarray(weights.pop(f"batch_stats/{pair.norm}/{name}"), np.float64) for name in ("mean", "var"))
        factor = weights.pop(f"params/{pair.norm}/scale", 1.0) / np.sqrt(var + pair.epsilon)
        shift = weights.pop(f"params/{pair.norm}/bias", 0.0) - mean * factor
        for name in (f"params/{pair.layer}/kernel", f"params/{pair.layer}/bias"):
            if name in weights:
                weights[name] = np.asarray(weights[name] * factor, np.float32)
        shifts[pair.norm] = np.asarray(shift, np.float32)
    return Partial(partial(_apply_folded, model, pairs), unflatten_dict(weights, sep="/"), shifts)


def _apply_folded(
    model: nn.Module,
    pairs: Sequence[_Pair],
    variables: Mapping[str, Any],
    shifts: Mapping[str, jax.Array],
    images: jax.Array,
) -> jax.Array:
    by_layer = {pair.layer: pair for pair in pairs if pair.fused}
    by_norm = {pair.norm: pair for pair in pairs}

    def fold(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        module, path = context.module, "/".join(context.module.path)
        if path in by_layer:
            pair = by_layer[path]
            return call(*args, shift=shifts[pair.norm], relu=pair.relu)
        if path not in by_norm:
            return call(*args, **kwargs)
        pair = by_norm[path]
        output = args[0] if pair.fused else args[0] + shifts[path]
        if pair.relu and not pair.fused:
            output = nn.relu(output)
        return output if module.dtype is None else output.astype(module.dtype)

    with nn.intercept_methods(fold):
        return model.apply(variables, images, train=False)  # pyright: ignore[reportReturnType]


def _pairs(model: nn.Module, variables: Mapping[str, Any], example: Any) -> tuple[_Pair, ...]:
    """The layers and BatchNorms that can be folded.

    Outputs of layers, and inputs of BatchNorms, are given a name in the traced graph. There a BatchNorm's input is a
    layer's output or is not, and all other uses of it are to be seen.
    """
    layers: Counter[str] = Counter()
    norms: Counter[str] = Counter()
    modules: dict[str, nn.Module] = {}

    def name_values(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        module, path = context.module, "/".join(context.module.path)
        if type(module) in _LAYERS:
            layers[path] += 1
            modules[path] = module
            return checkpoint_name(call(*args, **kwargs), path)
        if type(module) is BatchNorm or (type(module) is nn.BatchNorm and module.axis == -1):
            norms[path] += 1
            modules[path] = module
            return checkpoint_name(args[0], path)
        return call(*args, **kwargs)

    with nn.intercept_methods(name_values):
        graph = jax.make_jaxpr(partial(model.apply, train=False))(variables, example).jaxpr
    uses = Counter(id(value) for value in graph.outvars)
    uses.update(id(value) for step in graph.eqns for value in step.invars)
    steps = [step for step in graph.eqns if step.primitive.name == "name"]
    name_of = {id(step.outvars[0]): step.params["name"] for step in steps}
    pairs = []
    for step in steps:
        norm, source = step.params["name"], id(step.invars[0])
        layer = name_of.get(source, "")
        # Weights of modules that are called twice serve two places, of which one only may be foldable.
        if norms[norm] == layers[layer] == uses[source] == 1:
            fused = type(modules[layer]) is Conv
            pairs.append(_Pair(layer, norm, modules[norm].epsilon, getattr(modules[norm], "relu", False), fused))
    return tuple(pairs)
