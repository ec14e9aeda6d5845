import fcntl
import importlib.metadata
import itertools
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from femo_jax.ops.native.build import NativeError, OneDnn, build, find_onednn

COMPILER = """#!{python}
import pathlib, sys, time
pathlib.Path({log!r}).open("a").write("started\\n")
output = pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
output.write_bytes(b"half")
time.sleep(0.5)
output.write_bytes(b"a whole library")
"""


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("FEMO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """A compiler that takes half a second over a file of one line, and the log of its starts."""
    path, log = tmp_path / "compiler", tmp_path / "log"
    path.write_text(COMPILER.format(python=sys.executable, log=str(log)))
    path.chmod(0o755)
    monkeypatch.setenv("CXX", str(path))
    return log


@pytest.fixture
def wheels(tmp_path):
    """Names of the files of oneDNN, which the compiler alone would look for."""
    return OneDnn("3.2", (tmp_path / "include",), (tmp_path / "libdnnl.so.3",))


def test_a_library_is_built_once(elsewhere, compiler, wheels):
    library = build(wheels)
    assert library.read_bytes() == b"a whole library"
    assert library.is_relative_to(elsewhere)
    assert build(wheels) == library
    assert compiler.read_text() == "started\n"
    assert sorted(path.name for path in library.parent.iterdir()) == [library.name, f"{library.name}.sha256"]
    assert list(library.parent.parent.iterdir()) == [library.parent], "nothing half-written stays"


def test_other_versions_flags_and_compilers_have_libraries_of_their_own(
    elsewhere, compiler, wheels, tmp_path, monkeypatch
):
    libraries = {build(wheels), build(wheels._replace(version="3.3")), build(wheels, ("-g",))}
    monkeypatch.setattr("jax.__version__", "0.0.1")
    libraries.add(build(wheels))
    monkeypatch.setenv("CXX", f"{tmp_path / 'compiler'} -g")
    libraries.add(build(wheels))
    source = tmp_path / "more.cc"
    source.write_text("int more() { return 1; }")
    monkeypatch.setattr("femo_jax.ops.native.build.SOURCES", (source,))
    libraries.add(build(wheels))
    source.write_text("int more() { return 2; }")
    libraries.add(build(wheels))
    assert len(libraries) == 7


def test_another_compiler_of_the_same_name_builds_again(elsewhere, compiler, wheels, tmp_path):
    first = build(wheels)
    path = tmp_path / "compiler"
    path.write_text(path.read_text() + "# version 2\n")
    assert build(wheels) != first
    assert compiler.read_text() == "started\n" * 2


def test_a_library_is_used_without_the_compiler_that_built_it(elsewhere, compiler, wheels, tmp_path):
    library = build(wheels)
    (tmp_path / "compiler").unlink()
    assert build(wheels) == library


@pytest.mark.parametrize("umask", [0o002, 0o000, 0o077])
def test_no_umask_makes_the_library_writable_for_others(umask, elsewhere, compiler, wheels):
    before = os.umask(umask)
    try:
        elsewhere.mkdir()
        (elsewhere / "native").mkdir(0o755)
        (elsewhere / "native").chmod(0o755)
        library = build(wheels)
    finally:
        os.umask(before)
    for path in (library, library.parent):
        assert not path.stat().st_mode & 0o022
    assert build(wheels) == library


@pytest.mark.parametrize("name", ["native", "folder", "library", "digest"])
@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_what_others_can_write_is_refused(name, mode, elsewhere, compiler, wheels):
    library = build(wheels)
    digest = library.with_name(f"{library.name}.sha256")
    path = {"native": elsewhere / "native", "folder": library.parent, "library": library, "digest": digest}[name]
    path.chmod(mode)
    with pytest.raises(NativeError, match=rf"{path}: other users can write it \(mode {mode:o}\).*FEMO_CACHE"):
        build(wheels)
    assert compiler.read_text() == "started\n"


def test_a_folder_that_others_can_write_takes_no_library(elsewhere, compiler, wheels):
    (elsewhere / "native").mkdir(parents=True)
    (elsewhere / "native").chmod(0o777)
    with pytest.raises(NativeError, match="other users can write it"):
        build(wheels)
    assert not compiler.exists(), "the compiler was not started"


def test_a_library_of_another_user_is_refused(elsewhere, compiler, wheels, monkeypatch):
    library = build(wheels)
    if os.geteuid() == 0:
        os.chown(library, 4321, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 4321)
    with pytest.raises(NativeError, match=r"belongs to another user \(uid \d+\)"):
        build(wheels)


@pytest.mark.parametrize("contents", [b"a whole lib", b"a whole library and more", b"", b"another library"])
def test_a_library_that_is_not_as_it_was_built_is_refused(contents, elsewhere, compiler, wheels):
    library = build(wheels)
    library.write_bytes(contents)
    with pytest.raises(NativeError, match=rf"{library}: damaged, or not built by femo .*Delete {library.parent} to"):
        build(wheels)


@pytest.mark.parametrize("stored", [None, b"", b"\xff\xfe", b"0" * 64])
def test_a_library_without_its_digest_is_refused(stored, elsewhere, compiler, wheels):
    library = build(wheels)
    digest = library.with_name(f"{library.name}.sha256")
    digest.unlink()
    if stored is not None:
        digest.write_bytes(stored)
    with pytest.raises(NativeError, match=rf"Delete {library.parent} to build"):
        build(wheels)


def test_without_a_compiler(elsewhere, wheels, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler -O3")
    with pytest.raises(NativeError, match=r"there is no C\+\+ compiler 'no-such-compiler'; install one .*CXX"):
        build(wheels)
    assert not elsewhere.exists()


@pytest.mark.parametrize("unset", ["", " "])
def test_an_empty_name_is_none(unset, elsewhere, compiler, wheels, tmp_path, monkeypatch):
    (tmp_path / "compiler").rename(tmp_path / "c++")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", unset)
    assert build(wheels).exists()


def test_a_compiler_that_fails(elsewhere, wheels, tmp_path, monkeypatch):
    compiler = tmp_path / "compiler"
    compiler.write_text("#!/bin/sh\nseq 100 >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(NativeError, match=r"compiler' cannot build femo's extension:\n89\n(\d+\n)+100$"):
        build(wheels)
    assert not list(elsewhere.rglob("*.so"))


def test_a_compiler_that_fails_without_a_word(elsewhere, wheels, monkeypatch):
    monkeypatch.setenv("CXX", "false")
    with pytest.raises(
        NativeError, match=r"'false' cannot build femo's extension \(exit status 1, without a message\)$"
    ):
        build(wheels)


def test_escape_sequences_of_a_compiler_do_not_reach_the_terminal(elsewhere, wheels, tmp_path, monkeypatch):
    compiler = tmp_path / "compiler"
    compiler.write_text("#!/bin/sh\nprintf '\\033]0;title\\007error' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(NativeError, match=r"title.error") as raised:
        build(wheels)
    assert "\033" not in str(raised.value)


def test_a_compiler_that_does_not_return(elsewhere, wheels, tmp_path, monkeypatch):
    """It is ended together with the processes that it has started."""
    compiler, child = tmp_path / "compiler", tmp_path / "child"
    compiler.write_text(f"#!/bin/sh\nsleep 1000 &\necho $! > {child}.new\nmv {child}.new {child}\nwait\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("FEMO_COMPILER_TIMEOUT", "1")
    with pytest.raises(NativeError, match=r"did not finish within 1 s; set FEMO_COMPILER_TIMEOUT to more seconds"):
        build(wheels)
    state = Path(f"/proc/{child.read_text().strip()}/stat")
    for _ in range(600):  # a signal takes effect when the scheduler gets to it
        if not state.exists() or ") Z " in state.read_text():
            break
        time.sleep(0.1)
    else:
        pytest.fail("the compiler's child still runs")
    assert not list(elsewhere.rglob("*.so"))


def test_a_time_limit_that_is_none(elsewhere, compiler, wheels, monkeypatch):
    monkeypatch.setenv("FEMO_COMPILER_TIMEOUT", "soon")
    with pytest.raises(NativeError, match="FEMO_COMPILER_TIMEOUT is 'soon'; expected seconds"):
        build(wheels)


def test_a_command_with_an_open_quote(elsewhere, wheels, monkeypatch):
    monkeypatch.setenv("CXX", "g++ '-O3")
    with pytest.raises(NativeError, match=r"CXX is \"g\+\+ '-O3\", which is not a command \(No closing quotation\)"):
        build(wheels)


def test_a_compiler_that_cannot_be_started(elsewhere, wheels, tmp_path, monkeypatch):
    compiler = tmp_path / "compiler"
    compiler.write_bytes(b"\x7fELF is no more than this")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(NativeError, match=r"compiler' does not start \(Exec format error\)") as raised:
        build(wheels)
    assert "FEMO_CACHE" not in str(raised.value)


def test_a_cache_folder_that_cannot_be_written(elsewhere, compiler, wheels):
    elsewhere.write_text("a file in its place")
    with pytest.raises(NativeError, match=r"cache/native: cannot be written \(.*\); name another FEMO_CACHE"):
        build(wheels)


def test_processes_that_build_at_once_leave_one_good_library(elsewhere, compiler, wheels):
    program = f"""
from pathlib import Path
from femo_jax.ops.native.build import OneDnn, build
includes, libraries = (Path({str(wheels.includes[0])!r}),), (Path({str(wheels.libraries[0])!r}),)
library = build(OneDnn({wheels.version!r}, includes, libraries))
print(library, library.read_bytes())
"""
    command = [sys.executable, "-c", program]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = {process.communicate(timeout=120)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 4
    library = build(wheels)
    assert said == {f"{library} {b'a whole library'}\n"}
    assert list(library.parent.parent.iterdir()) == [library.parent]


class Wheels:
    """Installed packages, as `importlib.metadata` lists them."""

    def __init__(self, folder):
        self.folder = folder
        self.files = {
            "intel-cmplr-lib-rt": ["lib/libintlc.so.5", "lib/libimf.so"],
            "tbb": ["lib/libtbb.so.12.1", "lib/libtbb.so.12"],
            "onednn-cpu-tbb": ["lib/libdnnl.so.3"],
            "onednn-devel-cpu-tbb": ["include/oneapi/dnnl/dnnl.hpp"],
            "tbb-devel": ["elsewhere/include/oneapi/tbb/parallel_for.h"],
        }
        for name in itertools.chain(*self.files.values()):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()

    def list(self, distribution):
        if distribution not in self.files:
            raise importlib.metadata.PackageNotFoundError(distribution)
        if self.files[distribution] is None:  # installed without a list of files
            return None
        paths = [importlib.metadata.PackagePath(name) for name in self.files[distribution]]
        for path in paths:
            path.dist = self
        return paths

    def locate_file(self, path):
        return self.folder / path


@pytest.fixture
def installed(tmp_path, monkeypatch):
    packages = Wheels(tmp_path / "environment")
    monkeypatch.setattr(importlib.metadata, "files", packages.list)
    monkeypatch.setattr(importlib.metadata, "version", lambda distribution: f"version of {distribution}")
    return packages


def test_what_a_killed_build_left_is_removed_and_what_a_running_one_holds_is_kept(elsewhere, compiler, wheels):
    """The first process is killed while its compiler runs."""
    code = "import pathlib, sys; from femo_jax.ops.native.build import OneDnn, build;" + f" build({wheels!r})".replace(
        "PosixPath", "pathlib.Path"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        while not compiler.exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
    left = list((elsewhere / "native").glob(".build-*"))
    assert left, "the killed process had begun"
    held = elsewhere / "native" / ".build-held"
    held.mkdir()
    handle = os.open(held, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        library = build(wheels)
    finally:
        os.close(handle)
    assert sorted((elsewhere / "native").iterdir()) == sorted([held, library.parent])


def test_wheels_are_found_wherever_they_lie(installed):
    lib = installed.folder / "lib"
    assert find_onednn() == OneDnn(
        "version of onednn-cpu-tbb",
        (installed.folder / "include", installed.folder / "elsewhere/include"),
        (lib / "libintlc.so.5", lib / "libimf.so", lib / "libtbb.so.12", lib / "libdnnl.so.3"),
    )


@pytest.mark.parametrize(
    "package", ["intel-cmplr-lib-rt", "tbb", "onednn-cpu-tbb", "onednn-devel-cpu-tbb", "tbb-devel"]
)
def test_a_wheel_that_is_missing(package, installed):
    del installed.files[package]
    with pytest.raises(NativeError, match=rf"no package {package}\); install femo with the extra \"onednn\""):
        find_onednn()


@pytest.mark.parametrize("listed", [True, False])
def test_a_wheel_without_its_file(listed, installed):
    if listed:
        (installed.folder / "lib/libtbb.so.12").unlink()
    else:
        installed.files["tbb"] = None
    with pytest.raises(NativeError, match=r"the package tbb has no libtbb\.so\.12; install femo with the extra"):
        find_onednn()


def test_the_real_compiler_says_what_is_wrong(elsewhere, tmp_path, monkeypatch):
    if shutil.which("c++") is None:
        pytest.skip("there is no C++ compiler c++")
    monkeypatch.delenv("CXX", raising=False)
    source = tmp_path / "broken.cc"
    source.write_text("int broken() { return nothing; }\n")
    monkeypatch.setattr("femo_jax.ops.native.build.SOURCES", (source,))
    with pytest.raises(NativeError, match=r"broken\.cc:1:.*nothing"):
        build(OneDnn("3.2", (tmp_path,), (tmp_path / "libdnnl.so.3",)))
