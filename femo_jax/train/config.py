"""The configuration of a training run: a typed dataclass, made by a Python file such as those in `femo_jax/configs`."""

import dataclasses
import importlib.util
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from femo_jax.configs import resolve_config
from femo_jax.data.augment import Augmentation
from femo_jax.errors import ConfigError
from femo_jax.preprocess import IMAGE_SIZE


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
    vote_share: float = 0.0
    """Share of each target that is the likely label given FER+'s votes on the picture; 0 needs no votes."""
    soft_labels: str = ""
    """File of `femo soft-labels`: what trained networks say of the training pictures (arXiv:1503.02531)."""
    soft_label_share: float = 0.0
    """Share of each target that comes from `soft_labels`."""
    self_distillation: float = 0.0
    """Share of each target, at the end, that comes from the network's own earlier answers; it rises linearly from 0
    (arXiv:2006.12000)."""
    class_weights: Literal["none", "balanced"] = "none"
    """Weight of a class in the loss: equal, or inverse to its count in the training split."""
    ema_decay: float = 0.998
    """Decay a step of the averaged weights that are evaluated and exported; 0 evaluates the raw weights."""
    sam_radius: float = 0.0
    """Length of the step uphill at whose end sharpness-aware minimisation (arXiv:2010.01412) takes the gradient, which
    doubles the work; 0 for plain gradients."""
    whitened_start: bool = False
    """Whether FemoNet's first kernel begins with the principal components of patches of training pictures
    (arXiv:2404.00498)."""
    early_size: int = 32
    """Side in pixels to which pictures are reduced in the early epochs (progressive resizing, arXiv:2104.00298)."""
    early_epochs: int = 0
    """Epochs at `early_size`, the first ones; later ones see the pictures whole."""
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
            ("vote_share", 0.0, 1.0),
            ("soft_label_share", 0.0, 1.0 - self.vote_share + 1e-9),
            ("self_distillation", 0.0, 1.0),
            ("sam_radius", 0.0, math.inf),
            ("early_size", 16, IMAGE_SIZE),
            ("early_epochs", 0, self.epochs),
            ("ema_decay", 0.0, 1.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name} is {value}: expected a value from {low} to {high}")
        if self.whitened_start and self.model != "femonet":
            raise ConfigError(f"whitened_start is for femonet, not {self.model}: set it to False")
        if self.self_distillation and (self.augmentation.mixup or self.augmentation.cutmix):
            raise ConfigError("self_distillation needs each picture by itself: set mixup and cutmix to 0")
        if bool(self.soft_labels) != bool(self.soft_label_share):
            raise ConfigError(
                f"soft_labels is {self.soft_labels!r} and soft_label_share {self.soft_label_share}: one needs the other"
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


def with_defaults(record: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as an older femo wrote it: what that did not write yet had the value that is the default now."""
    defaults = as_dict(TrainConfig())
    augmentation = {**defaults["augmentation"], **record.get("augmentation", {})}
    return {**defaults, **record, "augmentation": augmentation}


def _json_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    return value
