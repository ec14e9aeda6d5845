"""Networks that are not part of femo: Python modules and files that register them.

    femo predict people.jpg --model mine.safetensors --plugin my_networks.py

An installed package registers its networks with entry points of the group `femo.models`, named as the architectures. In
its pyproject.toml: `[project.entry-points."femo.models"]` and `my_net = "my_package.networks"`.
"""

import importlib
import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from femo_jax.errors import ConfigError
from femo_jax.models.registry import registered_by


class _SourceLoader(importlib.machinery.SourceFileLoader):
    """Loads Python source without writing bytecode beside it."""

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Writes nothing: Python would store the bytecode in `__pycache__` in the user's folder."""


def run_file(path: str | os.PathLike[str], name: str) -> ModuleType:
    """Runs a Python file as a module.

    Args:
      path: of the file.
      name: under which it is entered in `sys.modules`, where a network that it defines looks up its annotations.

    Raises:
      ConfigError: it fails.
    """
    path = Path(path)
    loader = _SourceLoader(name, str(path.resolve()))
    module = importlib.util.module_from_spec(importlib.machinery.ModuleSpec(name, loader, origin=str(path)))
    module.__file__ = str(path.resolve())
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except Exception as error:
        raise ConfigError(f"{path}: failed to run ({type(error).__name__}: {error})") from error
    return module


def load_plugin(plugin: str | os.PathLike[str]) -> tuple[str, ...]:
    """Imports a module, or runs a Python file, that registers networks; returns their names.

    Args:
      plugin: name of a module that Python finds, also in the current folder, or a path with the suffix `.py`. A
        configuration that defines a network is such a file.

    Raises:
      ConfigError: there is no such module, it fails, or it registers no network.
    """
    word = os.fspath(plugin)
    if word.endswith(".py"):
        path = Path(word)
        if not path.is_file():
            raise ConfigError(f"--plugin {word}: no such file. Expected a Python file or the name of a module")
        module = run_file(path, f"femo_plugin_{path.stem}")
    else:
        module = _imported(word)
    names = registered_by(module)
    if not names:
        raise ConfigError(
            f"--plugin {word}: registers no network. Expected a Flax module with the decorator"
            ' femo_jax.models.register("NAME")'
        )
    return names


def _imported(name: str) -> ModuleType:
    folder = str(Path.cwd())
    sys.path.append(folder)  # at the end, so that no file there stands in for an installed module
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigError(
                f"--plugin {name}: no such module. Expected one that is installed or in {folder}, or a path that ends"
                " in .py"
            ) from error
        raise ConfigError(f"--plugin {name}: {error}. Install it first") from error
    except Exception as error:
        raise ConfigError(f"--plugin {name}: failed to import ({type(error).__name__}: {error})") from error
    finally:
        sys.path.remove(folder)
