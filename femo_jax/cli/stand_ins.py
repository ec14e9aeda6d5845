"""Stand-ins for packages that cannot be imported, so that a command's help is shown on every machine."""

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def imported_for_help(module: str) -> Iterator[ModuleType]:
    """Imports a module of femo to read its options; packages that are missing or broken are replaced by stand-ins.

    What was imported with a stand-in is forgotten when the block ends.

    Args:
      module: its full name.

    Yields:
      The module, whose options can be listed; its functions need not work.

    Raises:
      ImportError: a module of femo itself is missing.
    """
    before, finder = set(sys.modules), _Finder()
    sys.meta_path.insert(0, finder)
    try:
        while True:
            try:
                found = importlib.import_module(module)
                break
            except ImportError as error:
                package = (error.name or "").partition(".")[0]
                if package in ("", "femo_jax", *finder.packages):
                    raise
                finder.packages.append(package)
        yield found
    finally:
        sys.meta_path.remove(finder)
        if finder.packages:
            for name in set(sys.modules) - before:
                if name.partition(".")[0] in ("femo_jax", *finder.packages):
                    del sys.modules[name]


class _AnyName(type):
    """The type of stand-ins for classes, functions and constants: each has every attribute."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _AnyName(name, (), {"__init__": lambda self, *_, **__: None})


class _StandIn(ModuleType):
    __path__: Sequence[str] = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(_AnyName(self.__name__, (), {}), name)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self) -> None:
        self.packages: list[str] = []

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in self.packages:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Does nothing: a stand-in has every attribute."""
