"""The configuration of a training run: a typed dataclass, made by a Python file such as those in `femo_jax/configs`."""

import dataclasses
import functools
import importlib.util
import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from femo_jax.configs import resolve_config
from femo_jax.errors import ConfigError
from femo_jax.preprocess import IMAGE_SIZE
from femo_jax.train.augment import Augmentation

RENAMED = {
    "vote_share": "ferplus_weight",
    "soft_label_share": "distillation_weight",
    "whitened_start": "whitening_init",
    "early_size": "low_res_size",
    "early_epochs": "low_res_epochs",
    "sam_radius": "sam_rho",
}
"""Earlier names of fields, and today's. Configurations, workdirs, model files and options may still have them."""

_T = TypeVar("_T")


def _with_earlier_names(cls: type[_T]) -> type[_T]:
    """Lets a configuration class be made with earlier names of its fields, which are reported."""
    init = cls.__init__

    @functools.wraps(init)
    def renaming(self: Any, *args: Any, **fields: Any) -> None:
        for earlier, name in RENAMED.items():
            if earlier in fields and name in fields:  # dataclasses.replace gives every field its name of today
                raise ConfigError(f"{earlier} is now called {name}: use this name")
        init(self, *args, **{current_name(name): value for name, value in fields.items()})

    cls.__init__ = renaming
    return cls


def current_name(field: str) -> str:
    """Today's name of a field, dotted or not; an earlier name is reported as a warning."""
    now = RENAMED.get(field, field)
    if now != field:
        warnings.warn(f"{field} is now called {now}", FutureWarning, stacklevel=3)
    return now


@_with_earlier_names
@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides what a run computes. Each field is an option of `femo train`."""

    model: str = "femonet"
    """Name of the network; `femo models` lists them."""
    model_options: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the network that differ from its defaults, for instance widths or dropout."""
    seed: int = 0
    """Seed of initial weights, shuffling, augmentation and dropout."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """In which a step's convolutions and activations are computed. Weights, moments of BatchNorm, loss, optimiser and
    evaluation are float32 with either."""
    epochs: int = 20
    """Passes over the training split."""
    batch_size: int = 128
    """Pictures of one optimiser step, over all devices and processes."""
    optimizer: Literal["sgd", "adamw", "muon"] = "sgd"
    """SGD with Nesterov momentum, AdamW (arXiv:1711.05101), or Muon for kernels of convolutions (arXiv:2502.16982) with
    Nesterov's Adam for the rest."""
    learning_rate: float = 0.1
    """Peak of the schedule."""
    momentum: float = 0.9
    """Momentum of SGD and Muon, first-moment decay of AdamW."""
    weight_decay: float = 5e-4
    """On kernels alone, with Muon on those of convolutions alone; added to the gradient with SGD, decoupled with AdamW
    and Muon."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Fall of the learning rate from its peak to 0, after the warm-up."""
    warmup_epochs: float = 1.0
    """Epochs in which the learning rate rises linearly from 0."""
    clip_norm: float = 0.0
    """Global norm to which gradients are clipped; 0 for none."""
    label_smoothing: float = 0.1
    """Share of each target spread over all classes (arXiv:1512.00567)."""
    ferplus_weight: float = 0.0
    """Share of each target that is the likely label given FER+'s votes on the picture; 0 needs no votes."""
    soft_labels: str = ""
    """File of `femo soft-labels`: what trained networks say of the training pictures (arXiv:1503.02531)."""
    distillation_weight: float = 0.0
    """Share of each target that comes from `soft_labels`."""
    self_distillation: float = 0.0
    """Share of each target, at the end, that comes from the network's own earlier answers; it rises linearly from 0
    (arXiv:2006.12000)."""
    class_weights: Literal["none", "balanced"] = "none"
    """Weight of a class in the loss: equal, or inverse to its count in the training split."""
    ema_decay: float = 0.998
    """Decay a step of the averaged weights that are evaluated and exported; 0 evaluates the raw weights."""
    sam_rho: float = 0.0
    """Length of the step uphill at whose end sharpness-aware minimisation (arXiv:2010.01412) takes the gradient, which
    doubles the work; 0 for plain gradients."""
    whitening_init: bool = False
    """Whether FemoNet's first kernel begins with the principal components of patches of training pictures
    (arXiv:2404.00498)."""
    low_res_size: int = 32
    """Side in pixels to which pictures are reduced in the early epochs (progressive resizing, arXiv:2104.00298)."""
    low_res_epochs: int = 0
    """Epochs at `low_res_size`, the first ones; later ones see the pictures whole."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """Strengths of the random changes to training pictures."""
    eval_batch_size: int = 512
    """Pictures of one evaluation batch."""

    def __post_init__(self) -> None:
        """Refuses values outside their range with ConfigError."""
        for name, low, high in (
            ("epochs", 1, math.inf),
            ("batch_size", 1, math.inf),
            ("eval_batch_size", 1, math.inf),
            ("seed", 0, 2**31 - 1),
            ("learning_rate", 0.0, math.inf),
            ("momentum", 0.0, 1.0),
            ("weight_decay", 0.0, math.inf),
            ("warmup_epochs", 0.0, math.inf),
            ("clip_norm", 0.0, math.inf),
            ("label_smoothing", 0.0, 1.0),
            ("ferplus_weight", 0.0, 1.0),
            ("distillation_weight", 0.0, 1.0 - self.ferplus_weight + 1e-9),
            ("self_distillation", 0.0, 1.0),
            ("sam_rho", 0.0, math.inf),
            ("low_res_size", 16, IMAGE_SIZE),
            ("low_res_epochs", 0, self.epochs),
            ("ema_decay", 0.0, 1.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name} is {value}: expected a value from {low} to {high}")
        if self.whitening_init and self.model != "femonet":
            raise ConfigError(f"whitening_init is for femonet, not {self.model}: set it to False")
        if self.self_distillation and (self.augmentation.mixup or self.augmentation.cutmix):
            raise ConfigError("self_distillation needs each picture by itself: set mixup and cutmix to 0")
        if bool(self.soft_labels) != bool(self.distillation_weight):
            raise ConfigError(
                f"soft_labels is {self.soft_labels!r} and distillation_weight {self.distillation_weight}: one needs the"
                " other"
            )


def load_config(path: str | os.PathLike[str]) -> TrainConfig:
    """The `config` that a Python file defines.

    Args:
      path: of the file, or the name of a configuration that ships with femo. Soft labels that the file names are
        looked for in its folder first.

    Raises:
      ConfigError: the file is missing, fails to run, or defines no `config` of type TrainConfig.
    """
    path = resolve_config(path)
    spec = importlib.util.spec_from_file_location(f"femo_experiment_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path}: not a Python file. Expected `config = TrainConfig(...)` in a .py file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except Exception as error:
        raise ConfigError(f"{path}: failed to run ({type(error).__name__}: {error})") from error
    config = getattr(module, "config", None)
    if not isinstance(config, TrainConfig):
        raise ConfigError(f"{path}: expected a line `config = TrainConfig(...)`")
    beside = path.parent / config.soft_labels
    if config.soft_labels and beside.is_file():
        return dataclasses.replace(config, soft_labels=str(beside))
    return config


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Lines that say where two nested mappings differ: `learning_rate: 0.1 before, 0.05 now`."""
    lines = []
    for key in sorted(old.keys() | new.keys()):
        before, now = old.get(key, "absent"), new.get(key, "absent")
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            lines += differences(before, now, f"{prefix}{key}.")
        elif before != now:
            lines.append(f"{prefix}{key}: {before} before, {now} now")
    return lines


def as_dict(config: TrainConfig) -> dict[str, Any]:
    """The configuration as nested dicts of JSON values."""
    return _json_value(dataclasses.asdict(config))


def upgraded(record: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as an older femo wrote it, with today's names and, where it lacks a field, today's defaults."""
    defaults = as_dict(TrainConfig())
    record = {RENAMED.get(name, name): value for name, value in record.items()}
    augmentation = {**defaults["augmentation"], **record.get("augmentation", {})}
    return {**defaults, **record, "augmentation": augmentation}


def _json_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    return value
