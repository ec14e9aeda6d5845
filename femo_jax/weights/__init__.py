"""The models that ship with femo, and `load_model`, which takes any model.

Beside each model file lie a JSON record of what was measured (see `model_record`) and a card written from it.
Each is there as an ONNX model as well, for recognition by ONNX Runtime or without JAX. The ROS 2 package
`femo_recognition` has that of `femonet-small` alone.
"""

import json
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from femo_jax.errors import ConfigError, ModelFileError, closest_hint
from femo_jax.onnx_model import OnnxModel, is_onnx, load_onnx_model
from femo_jax.runtime import asked_runtime, prefers_onnx

if TYPE_CHECKING:
    from femo_jax.model_file import LoadedModel

DEFAULT = "default"
"""The name of the model that is used where none is named."""

ALIASES = {DEFAULT: "femonet-base", "small": "femonet-small"}
"""Short names, and the name of the shipped model that each stands for."""

WITHOUT_BASE = "femonet-small"
"""The default where an installation lacks `femonet-base`, as the ROS 2 package `femo_recognition` does."""

DEPRECATED_ALIASES = {"femonet": "femonet-base"}
"""Names of earlier releases; they still work, with a warning."""


def model_names() -> tuple[str, ...]:
    """Every current name that `model_path` takes: the aliases first, then the names of the shipped models."""
    shipped = _shipped()
    return (*(alias for alias, name in ALIASES.items() if name in shipped), *shipped)


def shipped_names() -> tuple[str, ...]:
    """The names of the shipped models, without aliases, in alphabetical order."""
    return tuple(_shipped())


def model_path(name: str = DEFAULT) -> Path:
    """The file of a model that ships with femo.

    Args:
      name: `femonet-base`, `femonet-small`, or an alias: `default`, `small`. `femonet` is a deprecated alias of
        `femonet-base`.

    Raises:
      ConfigError: there is no such model; the message lists those there are.
    """
    shipped = _shipped()
    full = {**ALIASES, **DEPRECATED_ALIASES}.get(name, name)
    if name == DEFAULT and full not in shipped:
        full = WITHOUT_BASE
    if full not in shipped:
        raise ConfigError(
            f"no model {name!r} ships with femo; choose one of {', '.join(model_names())}, or give the path of a model"
            f" file or run folder.{closest_hint(name, model_names())}"
        )
    if name in DEPRECATED_ALIASES:
        warnings.warn(f"the model name {name!r} is deprecated; use {full!r}", FutureWarning, stacklevel=2)
    return shipped[full]


def model_record(name: str = DEFAULT) -> dict[str, Any]:
    """Size, origin and measured results of a shipped model: the source of its card, `femo models` and the README.

    Args:
      name: see `model_path`.

    Returns:
      `name`, `summary`, `architecture`, `parameters`, `multiply_adds` (per face), `bytes` and `sha256` (of the model
      file), `training` (`config`, `seed`, and `seeds`: PublicTest accuracy of every seed of the configuration, as
      `accuracy` and, with flip TTA, `accuracy_flip`), and `evaluations`, a list with `split` (`validation` is
      PublicTest, `test` PrivateTest), `tta` (`none`, `flip`, `ten_crop`), `n`, `accuracy`, `measured` (how often and by
      whom) and, where they were measured, `macro_f1`, `ece` and `without_overlap` (`n`, `accuracy`: without the images
      that also occur in a split that was used for training or selection). All shares are in 0..1.

    Raises:
      ConfigError: there is no such model.
    """
    return json.loads(model_path(name).with_suffix(".json").read_text("utf-8"))


def resolve_model(model: str | os.PathLike[str] | None = None) -> Path:
    """The path of a model that a user named.

    A bare word, without a folder before it and a suffix behind it, is the name of a shipped model, unless a file or
    folder of that name exists; anything else is a path. So `./small` is always a path.

    Args:
      model: a path, which need not exist; a name that `model_path` takes; None for the default model.

    Raises:
      ConfigError: a bare word that is neither an existing path nor a name.
    """
    if model is None:
        return model_path()
    word = os.fspath(model)
    path = Path(word)
    is_bare = word == path.name and not path.suffix
    return model_path(word) if is_bare and not path.exists() else path


def load_model(model: "str | os.PathLike[str] | None" = None) -> "LoadedModel":
    """Load a shipped model, a model file, or the best checkpoint of a run folder.

    Every command and function of femo that takes a model takes it through this function.

    Args:
      model: a name or path, see `resolve_model`; None for the default model.

    Returns:
      The network and its weights, on the host as numpy arrays.

    Raises:
      ConfigError: there is no model of that name.
      ModelFileError: the file is missing, damaged or not readable by this version of femo.
      CheckpointError: the run folder holds no usable checkpoint.
      ModelFileError: a run folder was given, and the extra `train`, which reads it, is not installed.
    """
    from femo_jax.model_file import load_model_file  # names are resolved without JAX

    path = resolve_model(model)
    if is_onnx(path):
        raise ModelFileError(
            f"{path}: is an ONNX model, which recognises only (`femo live`, `predict`, `serve`, `report`). Give the run"
            " folder, or the .safetensors file, that it was exported from."
        )
    if not path.is_dir():
        return load_model_file(path)
    try:
        from femo_jax.train.checkpoints import load_for_inference
    except ModuleNotFoundError as error:
        raise ModelFileError(
            f"{path}: a model file, made with `femo export`, needs no extra; reading a run folder needs the package"
            f" {error.name}: pip install 'femo-jax[train]'"
        ) from error
    return load_for_inference(path)


def load_for_recognition(
    model: "str | os.PathLike[str] | None" = None, runtime: str | None = None
) -> "LoadedModel | OnnxModel":
    """Load a model for the runtime that recognises with it: for all but JAX an ONNX model, without importing JAX.

    Args:
      model: as `load_model` takes it; a path with the suffix `.onnx` is an ONNX model of `femo export`.
      runtime: what will run it, see `femo_jax.runtime`. A shipped model is loaded as its ONNX model for ONNX Runtime
        and OpenCV, and where JAX is not installed.

    Raises:
      ConfigError, ModelFileError, CheckpointError: as `load_model`; the ONNX model is damaged or not of femo; the
        runtime, or JAX where the model needs it, is not installed; or the runtime takes ONNX models alone.
    """
    path, asked = resolve_model(model), asked_runtime(runtime)
    if is_onnx(path):
        return load_onnx_model(path)
    exported = path.with_suffix(".onnx")
    is_exported = path in _shipped().values() and exported.exists()
    if is_exported and (asked in ("onnxruntime", "opencv") or (asked == "auto" and prefers_onnx())):
        return load_onnx_model(exported)
    if asked in ("onnxruntime", "opencv"):
        raise ConfigError(
            f"{path}: runs on JAX alone, and the runtime is {asked}: expected an ONNX model, which"
            f" `femo export {path} -o model.onnx` makes. Or choose the runtime auto."
        )
    try:
        return load_model(model)
    except ModuleNotFoundError as error:
        # The ROS 2 package femo_recognition has no femo_jax.model_file.
        if (error.name or "").split(".")[0] not in ("jax", "jaxlib", "flax", "safetensors", "femo_jax"):
            raise
        if is_exported:
            return load_onnx_model(exported)
        raise ModelFileError(
            f"{path}: needs {error.name}, which is not installed: pip install femo-jax. Without JAX femo runs ONNX"
            " models: those that ship with femo, or one that `femo export MODEL -o model.onnx` makes on a machine with"
            " JAX."
        ) from error


def _shipped() -> dict[str, Path]:
    """The model files by name, in alphabetical order; an ONNX model where that is the only one."""
    folder = Path(__file__).parent
    paths = {path.stem: path for suffix in ("onnx", "safetensors") for path in folder.glob(f"*.{suffix}")}
    return dict(sorted(paths.items()))
