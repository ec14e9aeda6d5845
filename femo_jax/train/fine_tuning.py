"""What fine-tuning changes in a training step: frozen parameters and learning rates by layer.

A pattern of `TrainConfig.freeze` is a glob over the paths of parameters, such as `Conv_0/kernel`, and of the modules
that hold them, such as `Conv_0`. `!` before a pattern excepts what it matches: `*,!head` freezes all but the head.

A BatchNorm whose parameters are all frozen is frozen as a whole: it normalises by its running statistics, as in
evaluation, and these stay as they are. In all other BatchNorm layers they are those of the new data.
"""

import dataclasses
import fnmatch
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict

from femo_jax.errors import ConfigError
from femo_jax.models import create_model
from femo_jax.models.layers import BatchNorm
from femo_jax.preprocess import IMAGE_SIZE
from femo_jax.train.config import TrainConfig

_EXCEPT = "!"


def split_patterns(freeze: str) -> tuple[str, ...]:
    """The patterns of `TrainConfig.freeze`, which commas separate."""
    return tuple(pattern.strip() for pattern in freeze.split(",") if pattern.strip())


def frozen_paths(paths: Iterable[str], freeze: str) -> tuple[str, ...]:
    """The paths of parameters, such as `Conv_0/kernel`, that the patterns match, in their order.

    Raises:
      ConfigError: a pattern matches nothing, or all parameters are frozen.
    """
    paths, frozen = list(paths), set()
    for pattern in split_patterns(freeze):
        matched = {path for path in paths if _matches(path, pattern.removeprefix(_EXCEPT))}
        if not matched:
            raise ConfigError(_unknown_pattern(pattern, paths))
        frozen = frozen - matched if pattern.startswith(_EXCEPT) else frozen | matched
    if freeze and len(frozen) == len(paths):
        raise ConfigError(f"freeze is {freeze!r}: all parameters are frozen. Leave some out, such as freeze='*,!head'")
    return tuple(path for path in paths if path in frozen)


def _matches(path: str, pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in _names(path))


def _names(path: str) -> list[str]:
    """A parameter's path, and those of the modules that it is in: `a/b/c`, `a`, `a/b`."""
    parts = path.split("/")
    return [path, *("/".join(parts[:length]) for length in range(1, len(parts)))]


def _unknown_pattern(pattern: str, paths: Sequence[str]) -> str:
    names = sorted({name for path in paths for name in _names(path)})
    by_lower_case = {name.lower(): name for name in names}
    close = get_close_matches(pattern.removeprefix(_EXCEPT).lower(), by_lower_case, n=1, cutoff=0.4)
    hint = f" Did you mean {by_lower_case[close[0]]}?" if close else ""
    modules = dict.fromkeys(path.rpartition("/")[0] or path for path in sorted(paths))
    return f"freeze: {pattern!r} matches no parameter.{hint} The modules with parameters are {', '.join(modules)}"


def frozen_mask(params: Any, freeze: str) -> Any:
    """A tree as `params` with True for what is frozen."""
    flat: dict[str, Any] = flatten_dict(dict(params), sep="/")  # pyright: ignore[reportAssignmentType]
    frozen = set(frozen_paths(flat, freeze))
    return unflatten_dict({path: path in frozen for path in flat}, sep="/")


def without_frozen_gradients(params: Any, freeze: str) -> Any:
    """`params`, those that are frozen as constants, so that their gradients are 0 and are not computed."""
    frozen = frozen_mask(params, freeze)
    return jax.tree.map(lambda array, fixed: jax.lax.stop_gradient(array) if fixed else array, params, frozen)


def keep_frozen(average: Any, params: Any, freeze: str) -> Any:
    """Averaged parameters, those that are frozen without the rounding of an average."""
    return jax.tree.map(
        lambda mean, array, fixed: array if fixed else mean, average, params, frozen_mask(params, freeze)
    )


def frozen_norms(network: nn.Module, freeze: str) -> tuple[str, ...]:
    """Paths of the BatchNorm layers of which every parameter is frozen."""
    by_module: dict[str, list[str]] = {}
    norms = set()
    for path, module in _called_layers(network).items():
        by_module[path] = module.parameters
        if module.is_norm:
            norms.add(path)
    frozen = set(frozen_paths([name for names in by_module.values() for name in names], freeze))
    return tuple(path for path, names in by_module.items() if path in norms and frozen.issuperset(names))


def apply_with_frozen_norms(network: nn.Module, norms: Sequence[str]) -> Callable[..., Any]:
    """`network.apply`, in which the BatchNorm layers at the paths `norms` do in training what they do in evaluation."""
    paths = frozenset(norms)

    def evaluate_norm(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        if context.method_name == "__call__" and "/".join(context.module.path) in paths:
            kwargs = {**kwargs, **({"train": False} if "train" in kwargs else {"use_running_average": True})}
        return call(*args, **kwargs)

    def apply(*args: Any, **kwargs: Any) -> Any:
        with nn.intercept_methods(evaluate_norm):
            return network.apply(*args, **kwargs)

    return apply


@dataclasses.dataclass
class _Layer:
    """A module that holds parameters: their paths, and what decides its depth."""

    parameters: list[str]
    is_norm: bool
    has_kernel: bool


def _called_layers(network: nn.Module) -> dict[str, _Layer]:
    """The modules that hold parameters, by path, in the order in which a forward pass first calls them."""
    modules: dict[str, nn.Module] = {}

    def note(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        modules.setdefault("/".join(context.module.path), context.module)
        return call(*args, **kwargs)

    images = jax.ShapeDtypeStruct((1, IMAGE_SIZE, IMAGE_SIZE, 1), jnp.float32)
    with nn.intercept_methods(note):
        variables = jax.eval_shape(lambda given: network.init(jax.random.key(0), given, train=False), images)
    params: dict[str, Any] = flatten_dict(dict(variables["params"]), sep="/")  # pyright: ignore
    held: dict[str, list[str]] = {path: [] for path in modules}
    for name in params:
        held.setdefault(name.rpartition("/")[0], []).append(name)
    return {
        path: _Layer(
            names,
            is_norm=isinstance(modules.get(path), BatchNorm | nn.BatchNorm),
            has_kernel=any(len(params[name].shape) > 1 for name in names),
        )
        for path, names in held.items()
        if names
    }


def head_path(network: nn.Module) -> str:
    """The path of the last layer with a kernel, whose outputs are the logits: `head`."""
    return [path for path, layer in _called_layers(network).items() if layer.has_kernel][-1]


def learning_rate_multipliers(network: nn.Module, config: TrainConfig) -> dict[str, float]:
    """The factor of the learning rate of each parameter, by path such as `Conv_0/kernel`.

    Layers are counted by their kernels, in the order in which they are called; a bias or a BatchNorm belongs to the
    kernel before it. The head, the last of them, has `head_lr_multiplier`, and each layer before it
    `layer_lr_decay` times the factor that the layer after it would have without `head_lr_multiplier`.

    References:
      Clark et al., ELECTRA, 2020, arXiv:2003.10555; Bao et al., BEiT, 2021, arXiv:2106.08254.
    """
    layers = _called_layers(network)
    number = list(itertools.accumulate(int(layer.has_kernel) for layer in layers.values()))
    head = max(number)
    return {
        name: config.layer_lr_decay ** (head - max(1, of)) * (config.head_lr_multiplier if of == head else 1.0)
        for layer, of in zip(layers.values(), number, strict=True)
        for name in layer.parameters
    }


def fine_tuned(update: optax.GradientTransformation, config: TrainConfig) -> optax.GradientTransformation:
    """An optimiser with the learning rates by layer and the frozen parameters of a configuration.

    Frozen parameters have no state, no weight decay and no part in the norm to which gradients are clipped. Without any
    of the three options, the optimiser itself is returned.
    """
    if config.head_lr_multiplier != 1.0 or config.layer_lr_decay != 1.0:
        network = create_model(config.model, **config.model_options)
        factors = learning_rate_multipliers(network, config)
        update = optax.chain(update, optax.stateless(lambda updates, _: _scaled(updates, factors)))
    if config.freeze:
        update = optax.partition({"trained": update, "frozen": optax.set_to_zero()}, lambda p: _parts(p, config.freeze))
    return update


def _scaled(updates: Any, factors: Mapping[str, float]) -> Any:
    """Updates, each times its factor; what optax has put in the place of frozen parameters has none to scale."""

    def scale(path: Any, update: jax.Array) -> jax.Array:
        return update * factors["/".join(entry.key for entry in path)]

    return jax.tree_util.tree_map_with_path(scale, updates)


def _parts(params: Any, freeze: str) -> Any:
    return jax.tree.map(lambda fixed: "frozen" if fixed else "trained", frozen_mask(params, freeze))
