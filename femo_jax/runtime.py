"""What computes the network in recognition: JAX, ONNX Runtime or OpenCV.

Training, evaluation and explanation run on JAX. A shipped model recognises on any of the three, since it is there as an
ONNX model as well: on a CPU, ONNX Runtime takes less processor time than XLA, starts faster and needs less memory.
"""

import os
import platform
import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from femo_jax.errors import ConfigError

Runtime = Literal["auto", "jax", "onnxruntime", "opencv"]
"""`auto` takes ONNX Runtime for shipped models where it is installed and JAX has no accelerator, else JAX; for ONNX
models ONNX Runtime, else OpenCV."""

OnnxRuntime = Literal["onnxruntime", "opencv"]

VARIABLE = "FEMO_RUNTIME"
"""Environment variable that names the runtime where the program does not."""

DEPRECATED_VARIABLE = "FEMO_ONNX_RUNTIME"
"""Its earlier name, for ONNX models alone; it still works, with a warning."""

_INSTALL = {
    "jax": "pip install femo-jax",
    "onnxruntime": "pip install onnxruntime",
    "opencv": "pip install 'opencv-python>=4.10,<5'",
}
_MODULES = {"jax": "jax", "onnxruntime": "onnxruntime", "opencv": "cv2"}

_ACCELERATED = ("jax_plugins", "libtpu")
"""Modules, one of which is installed where JAX can use a GPU or a TPU."""


def asked_runtime(runtime: str | None = None) -> Runtime:
    """The runtime that a program names, else the environment, else `auto`.

    Raises:
      ConfigError: there is no such runtime, or it is not installed.
    """
    source = "runtime" if runtime else VARIABLE
    return _checked(runtime or os.environ.get(VARIABLE) or "auto", source)


def onnx_runtime(runtime: str | None = None) -> OnnxRuntime:
    """What runs an ONNX model.

    Args:
      runtime: as for `asked_runtime`.

    Raises:
      ConfigError: as `asked_runtime`; JAX was named; or ONNX Runtime was, and it cannot be imported.
    """
    asked = asked_runtime(runtime)
    if asked == "auto" and (former := os.environ.get(DEPRECATED_VARIABLE)):
        warnings.warn(f"{DEPRECATED_VARIABLE} is deprecated; use {VARIABLE}", FutureWarning, stacklevel=2)
        asked = _checked(former, DEPRECATED_VARIABLE)
    if asked == "jax":
        raise ConfigError("the runtime is jax, on which ONNX models do not run: choose onnxruntime, opencv or auto")
    if asked == "opencv":
        return asked
    try:
        import_module("onnxruntime")
    except ImportError as error:
        if asked == "onnxruntime":
            raise ConfigError(
                f"the runtime is onnxruntime, which cannot be imported ({error}): {_INSTALL[asked]}, or choose auto"
            ) from error
        return "opencv"
    return "onnxruntime"


def prefers_onnx() -> bool:
    """Whether a shipped model runs as its ONNX model if nothing is asked for."""
    on_cpu = os.environ.get("JAX_PLATFORMS") == "cpu" or not any(map(_found, _ACCELERATED))
    return on_cpu and _found("onnxruntime")


def _checked(name: str, source: str) -> Runtime:
    for runtime in get_args(Runtime):
        if name == runtime:
            if runtime != "auto" and not _found(_MODULES[runtime]):
                raise ConfigError(f"{source}={name}: is not installed. {_INSTALL[name]}, or leave out {source}.")
            return runtime
    raise ConfigError(f"{source}={name}: expected one of {', '.join(get_args(Runtime))}, or leave out {source}.")


def _found(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:  # of a finder that refuses it
        return False


def processor_name() -> str:
    """The model of the processor, such as `AMD EPYC`; its architecture where the system does not say."""
    path = Path("/proc/cpuinfo")  # Linux only
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
