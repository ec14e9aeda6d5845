"""The configuration of a training run: a typed dataclass, made by a Python file such as those in `femo_jax/configs`."""

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from femo_jax.configs import resolve_config
from femo_jax.errors import ConfigError
from femo_jax.models.plugins import run_file
from femo_jax.preprocess import IMAGE_SIZE
from femo_jax.train.augment import Augmentation
from femo_jax.train.fields import check_model_options, check_ranges, check_types, known_fields

RENAMED = {
    "vote_share": "ferplus_weight",
    "soft_label_share": "distillation_weight",
    "whitened_start": "whitening_init",
    "early_size": "low_res_size",
    "early_epochs": "low_res_epochs",
    "sam_radius": "sam_rho",
}
"""Earlier names of fields, and today's. Configurations, workdirs, model files and options may still have them."""


@known_fields(RENAMED)
@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides what a run computes. Each field is an option of `femo train`."""

    RENAMED: ClassVar[Mapping[str, str]] = RENAMED

    model: str = "femonet"
    """Architecture; `femo models` lists them."""
    model_options: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the network that differ from its defaults, such as widths or dropout. On the command line as JSON, or
    one by one: --model-options.dropout 0.1."""
    seed: int = 0
    """Seed of initial weights, shuffling, augmentation and dropout."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Compute dtype of convolutions and activations in a training step. Weights, BatchNorm statistics, loss, optimiser
    and evaluation are always float32."""
    epochs: int = 20
    """Passes over the training split."""
    batch_size: int = 128
    """Images per optimiser step, over all devices and processes."""
    optimizer: Literal["sgd", "adamw", "muon"] = "sgd"
    """SGD with Nesterov momentum, AdamW (arXiv:1711.05101), or Muon for convolution kernels (arXiv:2502.16982) with
    Nesterov Adam for the other parameters."""
    learning_rate: float = 0.1
    """Peak of the schedule."""
    momentum: float = 0.9
    """Momentum of SGD and Muon, first-moment decay of AdamW."""
    weight_decay: float = 5e-4
    """Of kernels only; with Muon, of convolution kernels only. Added to the gradient with SGD, decoupled with AdamW and
    Muon."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Decay of the learning rate to 0 after the warm-up, or none."""
    warmup_epochs: float = 1.0
    """Epochs in which the learning rate rises linearly from 0; at most `epochs`."""
    clip_norm: float = 0.0
    """Global norm to which gradients are clipped; 0 for none."""
    label_smoothing: float = 0.1
    """Share of each target that is spread over all classes (arXiv:1512.00567)."""
    ferplus_weight: float = 0.0
    """Share of each target that is the likely label given the FER+ votes for the image; 0 needs no votes."""
    soft_labels: str = ""
    """Soft labels of a teacher ensemble, a file written by `femo soft-labels` (arXiv:1503.02531)."""
    teachers: tuple[str, ...] = ()
    """Teachers that are evaluated in each step on the student's own view of an image, augmented and mixed
    (arXiv:2106.05237): shipped models (default, small), model files or run folders, whose probabilities are averaged.
    On the command line as JSON: --teachers '["runs/a","runs/b"]'."""
    distillation_weight: float = 0.0
    """Share of each target that comes from `soft_labels` or `teachers`."""
    distillation_temperature: float = 1.0
    """Divisor of the logits of `teachers` and student in their part of the loss, which is multiplied by its square
    (arXiv:1503.02531)."""
    self_distillation: float = 0.0
    """Share of each target, in the last step, that comes from the network's own predictions in earlier epochs; it rises
    linearly from 0 (arXiv:2006.12000)."""
    class_weights: Literal["none", "balanced"] = "none"
    """Weight of a class in the loss: equal, or inverse to its count in the training split."""
    ema_decay: float = 0.998
    """Decay per step of the averaged weights that are evaluated and exported; 0 evaluates the raw weights."""
    sam_rho: float = 0.0
    """Neighbourhood size of sharpness-aware minimisation (arXiv:2010.01412), which doubles the cost of a step; 0 for
    plain gradients."""
    whitening_init: bool = False
    """Initialise FemoNet's first kernel with the principal components of training patches (arXiv:2404.00498)."""
    init: str = ""
    """Starting weights: a shipped model (default, small), a model file or a run folder; empty for random weights. The
    head is copied for the classes in common. Options of the network are those of the starting weights where
    `model_options` has none."""
    freeze: str = ""
    """Parameters that are not trained: globs over their paths or modules, separated by commas, `!` for exceptions:
    'Conv_[0-3],BatchNorm_[0-3]', or '*,!head' for the head alone. A BatchNorm that is frozen keeps its statistics."""
    head_lr_multiplier: float = 1.0
    """Factor of the head's learning rate."""
    layer_lr_decay: float = 1.0
    """Factor of the learning rate from each layer to the one before it, from the head backwards (arXiv:2106.08254)."""
    low_res_size: int = 32
    """Image size in pixels during the first `low_res_epochs` (progressive resizing, arXiv:2104.00298)."""
    low_res_epochs: int = 0
    """Number of epochs at `low_res_size`; the others use full-size images."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """Strengths of the random changes to training images."""
    eval_batch_size: int = 512
    """Images per evaluation batch."""

    def __post_init__(self) -> None:
        """Refuses values that do not fit their field or each other.

        Raises:
          ConfigError: the message names the field, the value and what was expected.
        """
        check_types(self)
        check_ranges(
            self,
            {
                "epochs": (1, math.inf),
                "batch_size": (1, math.inf),
                "eval_batch_size": (1, math.inf),
                "seed": (0, 2**31 - 1),
                "learning_rate": (0.0, math.inf),
                "momentum": (0.0, 1.0),
                "weight_decay": (0.0, math.inf),
                "warmup_epochs": (0.0, math.inf),
                "clip_norm": (0.0, math.inf),
                "label_smoothing": (0.0, 1.0),
                "ferplus_weight": (0.0, 1.0),
                "distillation_weight": (0.0, 1.0),
                "distillation_temperature": (0.1, 100.0),
                "self_distillation": (0.0, 1.0),
                "sam_rho": (0.0, math.inf),
                "head_lr_multiplier": (0.0, math.inf),
                "layer_lr_decay": (0.0, 1.0),
                "low_res_size": (16, IMAGE_SIZE),
                "low_res_epochs": (0, math.inf),
                "ema_decay": (0.0, 1.0),
            },
        )
        for name in ("warmup_epochs", "low_res_epochs"):
            if getattr(self, name) > self.epochs:
                raise ConfigError(f"{name} is {getattr(self, name)}: expected at most epochs, which is {self.epochs}")
        if self.ferplus_weight + self.distillation_weight > 1.0 + 1e-9:
            raise ConfigError(
                f"ferplus_weight is {self.ferplus_weight} and distillation_weight {self.distillation_weight}: expected"
                " a sum of at most 1"
            )
        check_model_options(self.model, self.model_options)
        if self.whitening_init and self.model != "femonet":
            raise ConfigError(f"whitening_init is for femonet, not {self.model}: set it to False")
        if self.whitening_init and self.init:
            raise ConfigError("whitening_init replaces the first kernel, which init loads: set one of them")
        if self.self_distillation and (self.augmentation.mixup or self.augmentation.cutmix):
            raise ConfigError("self_distillation needs unmixed images: set mixup and cutmix to 0")
        self._check_distillation()

    def _check_distillation(self) -> None:
        if self.soft_labels and self.teachers:
            raise ConfigError(
                f"soft_labels is {self.soft_labels!r} and teachers {self.teachers}: expected predictions from a file,"
                " or of teachers that are evaluated in each step. Leave out one of them"
            )
        if not all(self.teachers):
            raise ConfigError(f"teachers is {self.teachers}: expected the name of a model in each place")
        name = "teachers" if self.teachers else "soft_labels"
        if bool(getattr(self, name)) != bool(self.distillation_weight):
            raise ConfigError(
                f"{name} is {getattr(self, name)!r} and distillation_weight {self.distillation_weight}: one needs the"
                " other"
            )
        if self.teachers and self.self_distillation:
            raise ConfigError("self_distillation and teachers are two sources of predictions: set one of them")
        if self.distillation_temperature != 1.0 and not self.teachers:
            raise ConfigError(
                f"distillation_temperature is {self.distillation_temperature}: expected 1 without teachers"
            )


def load_config(path: str | os.PathLike[str]) -> TrainConfig:
    """The `config` that a Python file defines.

    Args:
      path: of the file, or the name of a configuration that ships with femo. Relative paths in the configuration are
        relative to the folder of the file.

    Raises:
      ConfigError: the file is missing, fails to run, or defines no `config` of type TrainConfig.
    """
    path = resolve_config(path)
    module = run_file(path, f"femo_config_{path.stem}")
    config = getattr(module, "config", None)
    if not isinstance(config, TrainConfig):
        raise ConfigError(f"{path}: expected a line `config = TrainConfig(...)`")
    models = [_beside(path, model) for model in (config.init, *config.teachers)]
    soft_labels = str(path.parent / Path(config.soft_labels).expanduser()) if config.soft_labels else ""
    return dataclasses.replace(config, soft_labels=soft_labels, init=models[0], teachers=tuple(models[1:]))


def _beside(config: Path, model: str) -> str:
    """A model relative to the folder of a configuration; a bare word, as the shipped models have, stays one."""
    is_name = Path(model).name == model and not Path(model).suffix
    return model if is_name else str(config.parent / Path(model).expanduser())


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Lines that list where two nested mappings differ: `learning_rate: 0.1 before, 0.05 now`."""
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
