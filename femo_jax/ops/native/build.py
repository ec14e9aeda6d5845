"""Build of the C++ extension, once for each version of what it is made from.

It is built on the machine that uses it, at its first use: its headers come with JAX and must be those of the installed
JAX, which the isolated build of a wheel does not see. oneDNN and TBB come from the wheels of femo's extra `onednn`.
"""

import hashlib
import importlib.metadata
import os
import platform
import shlex
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax

from femo_jax.errors import FemoError
from femo_jax.files import cache_folder
from femo_jax.scratch import remove_abandoned, scratch_folder

SOURCES = tuple(sorted(Path(__file__).parent.glob("*.cc")))
HEADERS = tuple(sorted(Path(__file__).parent.glob("*.h")))

COMPILER_TIMEOUT = "FEMO_COMPILER_TIMEOUT"
"""Environment variable: seconds after which a compiler that has not finished is ended; 600 by default."""

_LIBRARY = "libfemo_ops.so"
_DIGEST = "libfemo_ops.so.sha256"
_SCRATCH = ".build-"
_INSTALL = 'install femo with the extra "onednn" (pip install "femo-jax[onednn]")'


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
    """Find the files of oneDNN's wheels.

    Raises:
      NativeError: there are no wheels for this machine; or one is not installed, or lacks a file.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        here = f"{platform.system()} on {platform.machine()}"
        raise NativeError(f"oneDNN has packages for x86-64 Linux alone, and this is {here}")
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
            raise NativeError(f"the package {distribution} has no {name}; {_INSTALL}")
        parts[name] = found[0]
    headers = [parts.pop(name) for name in ("oneapi/dnnl/dnnl.hpp", "oneapi/tbb/parallel_for.h")]
    includes = tuple(header.parents[2] for header in headers)
    return OneDnn(importlib.metadata.version("onednn-cpu-tbb"), includes, tuple(parts.values()))


def build(onednn: OneDnn, extra_flags: tuple[str, ...] = ()) -> Path:
    """Give the path of the compiled library; compile it, in ten to thirty seconds, unless that was done before.

    The library is kept in femo's cache folder, under digests of the contents of its sources and JAX's headers, of the
    compiler, flags and versions. It is code that femo will run, so it is used only if nobody but its owner (the user
    or root) can write it or its folders, and if its own digest is the one that was stored when it was built.

    Args:
      onednn: what to build with.
      extra_flags: for the compiler, such as those of a sanitizer.

    Raises:
      NativeError: there is no compiler, or it fails, or does not finish in time; other users can write the cache
        folder; the library that is there is damaged or was not built by femo.
    """
    command = _compiler()
    executable = shutil.which(command[0])
    flags = ("-std=c++17", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", *extra_flags)
    made_from = _made_from((*command, *flags), onednn)
    cache = cache_folder() / "native"
    if executable is None:
        # A compiler that was removed after the build, as in an image without build tools.
        built = sorted(cache.glob(f"{made_from}-*/{_LIBRARY}"))
        if built:
            return _checked(built[0])
        raise NativeError(f"there is no C++ compiler {command[0]!r}; install one (Debian: g++), or name it in CXX")
    library = cache / f"{made_from}-{_digest_of_file(Path(executable))[:16]}" / _LIBRARY
    if library.exists():
        return _checked(library)
    sources = [
        *("-isystem", jax.ffi.include_dir()),
        *(word for include in onednn.includes for word in ("-isystem", str(include))),
        *map(str, SOURCES),
        # The libraries are loaded beforehand, each from its own folder.
        *("-Wl,--allow-shlib-undefined", "-Wl,--as-needed"),
        *map(str, onednn.libraries),
    ]
    try:
        cache.mkdir(mode=0o755, parents=True, exist_ok=True)
        _check_private([cache])
        remove_abandoned(cache.glob(f"{_SCRATCH}*"))
        with scratch_folder(cache, _SCRATCH) as folder:
            made = folder / library.parent.name / _LIBRARY
            made.parent.mkdir(mode=0o755)
            _compile([*command, *flags, *sources, "-o", str(made)], folder / "errors")
            made.chmod(0o644)  # whatever the umask is
            made.parent.chmod(0o755)
            made.with_name(_DIGEST).write_text(_digest_of_file(made))
            made.with_name(_DIGEST).chmod(0o644)
            _rename(made.parent, library.parent)
    except OSError as error:
        raise NativeError(f"{cache}: cannot be written ({error.strerror}); name another FEMO_CACHE") from error
    return _checked(library)


def _compiler() -> list[str]:
    """The words of the compiler's command: `$CXX`, or `c++`."""
    words = os.environ.get("CXX", "")
    try:
        return shlex.split(words) or ["c++"]
    except ValueError as error:
        raise NativeError(f"CXX is {words!r}, which is not a command ({error}); correct it, or unset it") from error


def _made_from(words: Sequence[str], onednn: OneDnn) -> str:
    """A digest of everything but the compiler that the library depends on."""
    versions = (onednn.version, jax.__version__, importlib.metadata.version("jaxlib"), platform.machine())
    digest = hashlib.sha256("\0".join((*words, *versions)).encode("utf-8", "surrogateescape"))
    jax_headers = sorted(Path(jax.ffi.include_dir()).rglob("*.h"))
    for path in (*SOURCES, *HEADERS, *jax_headers):
        digest.update(_digest_of_file(path).encode())
    return digest.hexdigest()[:16]


def _digest_of_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _checked(library: Path) -> Path:
    """The library, if it is the one that was built here and nobody else can have changed it."""
    stored = library.with_name(_DIGEST)
    _check_private([library.parent.parent, library.parent, library, stored])
    try:
        is_intact = stored.read_text("ascii") == _digest_of_file(library)
    except (OSError, UnicodeDecodeError) as error:
        raise NativeError(f"{library}: cannot be read ({error}). Delete {library.parent} to build it again") from error
    if not is_intact:
        raise NativeError(
            f"{library}: damaged, or not built by femo (its digest is not the stored one). Delete {library.parent} to"
            " build it again"
        )
    return library


def _check_private(paths: Iterable[Path]) -> None:
    """Refuse what somebody else than the user and root may have written."""
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise NativeError(
                f"{path}: cannot be read ({error.strerror}). Delete {path.parent} to build femo's extension again"
            ) from error
        if status.st_uid not in (os.geteuid(), 0):
            raise NativeError(
                f"{path}: belongs to another user (uid {status.st_uid}), so that code in it is not run. Name a"
                " FEMO_CACHE of your own"
            )
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise NativeError(
                f"{path}: other users can write it (mode {stat.S_IMODE(status.st_mode):o}), so that code in it is not"
                " run. Delete it, or name a FEMO_CACHE of your own"
            )


def _compile(command: Sequence[str], errors: Path) -> None:
    """Run the compiler; `errors` is the file that takes what it prints."""
    try:
        limit = float(os.environ.get(COMPILER_TIMEOUT) or 600)
    except ValueError as error:
        raise NativeError(f"{COMPILER_TIMEOUT} is {os.environ[COMPILER_TIMEOUT]!r}; expected seconds") from error
    with errors.open("wb") as output:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        except OSError as error:
            raise NativeError(f"the C++ compiler {command[0]!r} does not start ({error.strerror})") from error
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired as error:
            raise NativeError(
                f"the C++ compiler {command[0]!r} did not finish within {limit:g} s; set {COMPILER_TIMEOUT} to more"
                " seconds, or CXX to another compiler"
            ) from error
        finally:
            if process.poll() is None:  # with the processes that it has started
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if status:
        printed = errors.read_bytes()[-65536:].decode("utf-8", "replace").strip().splitlines()[-12:]
        lines = ["".join(c if c.isprintable() else "\ufffd" for c in line.expandtabs()) for line in printed]
        printed = ":\n" + "\n".join(lines) if lines else f" (exit status {status}, without a message)"
        raise NativeError(f"the C++ compiler {command[0]!r} cannot build femo's extension{printed}")


def _rename(folder: Path, target: Path) -> None:
    """Move a finished build to its place, unless another process was faster."""
    try:
        folder.rename(target)
    except OSError:
        if not target.is_dir():
            raise
