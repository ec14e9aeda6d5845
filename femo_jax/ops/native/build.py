"""Compiles the extension, once for each version of what it is made from.

It is built on the machine that uses it, when it is first asked for: its headers come with JAX and must be those of the
JAX at hand, which the isolated build of a wheel does not see. oneDNN and TBB come from the wheels of femo's extra
`onednn`.
"""

import hashlib
import importlib.metadata
import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import jax

from femo_jax.errors import FemoError
from femo_jax.files import cache_folder

SOURCES = tuple(sorted(Path(__file__).parent.glob("*.cc")))
HEADERS = tuple(sorted(Path(__file__).parent.glob("*.h")))

_INSTALL = 'install femo with the extra "onednn" (pip install "femo-jax[onednn]"), on x86-64 Linux'


class NativeError(FemoError):
    """The extension cannot be built or loaded here."""


class OneDnn(NamedTuple):
    """oneDNN as its wheels install it.

    Attributes:
      version: of the wheel.
      includes: folders of `oneapi/dnnl/dnnl.hpp` and `oneapi/tbb/parallel_for.h`.
      libraries: shared libraries, each after those that it needs; the last is oneDNN itself.
    """

    version: str
    includes: tuple[Path, ...]
    libraries: tuple[Path, ...]


def find_onednn() -> OneDnn:
    """Where the wheels of oneDNN put their files.

    Raises:
      NativeError: a wheel is not installed, or lacks a file.
    """
    parts = {}
    for distribution, name in (
        ("intel-cmplr-lib-rt", "libintlc.so.5"),
        ("intel-cmplr-lib-rt", "libimf.so"),
        ("tbb", "libtbb.so.12"),
        ("onednn-cpu-tbb", "libdnnl.so.3"),
        ("onednn-devel-cpu-tbb", "oneapi/dnnl/dnnl.hpp"),
        ("tbb-devel", "oneapi/tbb/parallel_for.h"),
    ):
        try:
            files = importlib.metadata.files(distribution) or ()
        except importlib.metadata.PackageNotFoundError as error:
            raise NativeError(f"oneDNN is not installed (no package {distribution}); {_INSTALL}") from error
        found = [Path(str(file.locate())).resolve() for file in files if file.as_posix().endswith(f"/{name}")]
        if not found or not found[0].exists():
            raise NativeError(f"the package {distribution} has no {name}; {_INSTALL} anew")
        parts[name] = found[0]
    headers = [parts.pop(name) for name in ("oneapi/dnnl/dnnl.hpp", "oneapi/tbb/parallel_for.h")]
    includes = tuple(header.parents[2] for header in headers)
    return OneDnn(importlib.metadata.version("onednn-cpu-tbb"), includes, tuple(parts.values()))


def build(onednn: OneDnn, extra_flags: tuple[str, ...] = ()) -> Path:
    """The compiled library; compiles it, in ten to thirty seconds, unless that was done before.

    It lies in femo's cache folder under a digest of its sources, flags and versions. The compiler is `$CXX`, or `c++`.

    Args:
      onednn: what to build with.
      extra_flags: for the compiler, such as those of a sanitizer.

    Raises:
      NativeError: there is no compiler, or it fails; the message ends with what it said.
    """
    compiler = shlex.split(os.environ.get("CXX", "")) or ["c++"]
    flags = ("-std=c++17", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", *extra_flags)
    digest = hashlib.sha256("\0".join((*compiler, *flags, onednn.version, jax.__version__)).encode())
    for path in (*SOURCES, *HEADERS):
        digest.update(path.read_bytes())
    library = cache_folder() / "native" / digest.hexdigest()[:16] / "libfemo_ops.so"
    if library.exists():
        return library
    if shutil.which(compiler[0]) is None:
        raise NativeError(f"there is no C++ compiler {compiler[0]!r}; install one (Debian: g++), or name it in CXX")
    command = [
        *compiler,
        *flags,
        *("-isystem", jax.ffi.include_dir()),
        *(word for include in onednn.includes for word in ("-isystem", str(include))),
        *map(str, SOURCES),
        # The libraries are loaded beforehand, each from where it lies.
        *("-Wl,--allow-shlib-undefined", "-Wl,--as-needed"),
        *map(str, onednn.libraries),
    ]
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            made = Path(folder) / library.name
            try:
                result = subprocess.run([*command, "-o", str(made)], capture_output=True, text=True)
            except OSError as error:
                raise NativeError(f"the C++ compiler {compiler[0]!r} does not start ({error.strerror})") from error
            if result.returncode:
                said = "\n".join(result.stderr.strip().splitlines()[-12:])
                raise NativeError(f"the C++ compiler {compiler[0]!r} cannot build femo's extension:\n{said}")
            made.replace(library)
    except OSError as error:
        raise NativeError(f"{library.parent}: cannot be written ({error.strerror}); name another FEMO_CACHE") from error
    return library
