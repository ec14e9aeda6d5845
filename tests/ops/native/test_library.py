import ctypes
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from femo_jax.errors import ConfigError
from femo_jax.files import cache_folder
from femo_jax.ops import avg_pool, batch_norm, choose, conv2d, max_pool
from femo_jax.ops.native import library
from femo_jax.ops.native.build import SOURCES, NativeError, build, find_onednn


@pytest.fixture
def onednn_files():
    """What the wheels of oneDNN hold, or a skip."""
    try:
        return find_onednn()
    except NativeError as error:
        pytest.skip(str(error))


@pytest.fixture
def not_loaded(monkeypatch, tmp_path):
    """As in a process that has not loaded the extension yet, with a cache folder of its own that may hold it."""
    monkeypatch.setattr(library, "_library", library._library.__wrapped__)
    if (built := cache_folder() / "native").is_dir():
        shutil.copytree(built, tmp_path / "cache" / "native")
    monkeypatch.setenv("FEMO_CACHE", str(tmp_path / "cache"))


def test_gives_onednns_version(onednn, onednn_files):
    assert library.load() == onednn_files.version


@pytest.mark.parametrize(
    ("compiler", "said"),
    [("no-such-compiler", r"there is no C\+\+ compiler 'no-such-compiler'"), ("false", "'false' cannot build")],
)
def test_auto_takes_xla_without_a_compiler_that_works(compiler, said, onednn_files, not_loaded, monkeypatch):
    monkeypatch.setenv("CXX", compiler)
    choice = choose("auto")
    assert choice.implementation == "xla"
    assert f"C++ compiler '{compiler}'" in choice.reason
    with pytest.raises(ConfigError, match=rf"ops onednn: .*{said}(.|\n)*Choose xla or auto"):
        choose("onednn")
    with pytest.raises(NativeError, match=said):
        conv2d(jnp.zeros((1, 4, 4, 1)), jnp.zeros((3, 3, 1, 1)), implementation="onednn")


def test_a_broken_library_is_named(onednn_files, not_loaded, monkeypatch, tmp_path):
    broken = tmp_path / "libfemo_ops.so"
    broken.write_bytes(b"\x7fELF and no more")
    monkeypatch.setattr(library, "build", lambda onednn: broken)
    choice = choose("auto")
    assert choice.implementation == "xla"
    assert choice.reason.startswith(f"oneDNN does not load: {broken}: ")
    assert f"Delete {tmp_path}" in choice.reason
    with pytest.raises(ConfigError, match="oneDNN does not load"):
        choose("onednn")


def test_a_library_without_the_functions(onednn_files, not_loaded, monkeypatch):
    monkeypatch.setattr(library, "build", lambda onednn: onednn_files.libraries[-1])
    choice = choose("auto")
    assert choice.implementation == "xla"
    assert "oneDNN does not load: " in choice.reason
    assert "undefined symbol: ConvolutionForward" in choice.reason


@pytest.mark.parametrize("damage", ["truncated", "foreign", "writable"])
def test_auto_takes_xla_if_the_library_may_not_be_femos(
    damage, onednn, onednn_files, not_loaded, monkeypatch, tmp_path
):
    """A truncated library would end the process when it is loaded, a foreign one would run its own code."""
    built = build(onednn_files)
    if damage == "truncated":
        os.truncate(built, built.stat().st_size // 2)
    elif damage == "foreign":
        shutil.copy(onednn_files.libraries[0], built)
    else:
        built.parent.chmod(0o777)
    choice = choose("auto")
    assert choice.implementation == "xla"
    assert str(built.parent) in choice.reason
    assert "\n" not in choice.reason


def test_an_empty_batch_goes_through(onednn):
    """Its sums are 0, and so are its gradients."""
    x, kernel, bias = jnp.zeros((0, 8, 8, 3)), jnp.ones((3, 3, 3, 4)), jnp.ones(4)

    def total(x, kernel, bias):
        y = conv2d(x, kernel, bias, relu=True, implementation="onednn")
        return jnp.sum(max_pool(y, implementation="onednn")) + jnp.sum(avg_pool(y, implementation="onednn"))

    value, gradients = jax.jit(jax.value_and_grad(total, (0, 1, 2)))(x, kernel, bias)
    assert value == 0
    assert not any(np.any(gradient) for gradient in gradients)


def training_step(shape, features, dtype, implementation):
    """Value and gradients of a convolution, BatchNorm and poolings; jitted. And their arrays."""
    rng = np.random.default_rng(sum(shape) + features)
    x = jnp.asarray(rng.normal(size=shape), dtype)
    kernel = jnp.float32(rng.normal(size=(3, 3, shape[-1], features)))
    scale, bias = jnp.float32(rng.uniform(0.5, 2.0, features)), jnp.float32(rng.normal(size=features))

    def loss(x, kernel, scale, bias):
        y = conv2d(x, kernel, implementation=implementation)
        y = batch_norm(y, scale, bias, relu=True, implementation=implementation)[0]
        y = max_pool(y, implementation=implementation) + avg_pool(y, implementation=implementation)
        return jnp.mean(y.astype(jnp.float32) ** 2)

    return jax.jit(jax.value_and_grad(loss, (0, 1, 2, 3))), (x, kernel, scale, bias)


def test_threads_at_once_get_what_each_gets_alone(onednn):
    """Several threads start with primitives that none has made yet, and go on with them for a while."""
    shapes = [(2, 8, 8, 3), (3, 12, 10, 5), (1, 24, 24, 8), (4, 6, 6, 16), (2, 16, 14, 4), (5, 4, 4, 32)]
    steps = [training_step(shape, 4 + 3 * index, jnp.float32, "onednn") for index, shape in enumerate(shapes)]
    compiled = [step.lower(*arrays).compile() for step, arrays in steps]
    start = threading.Barrier(len(shapes))
    results = [[] for _ in shapes]

    def work(index):
        start.wait()
        for turn in range(30):
            each = (index + turn) % len(shapes)
            results[each].append(jax.tree.map(np.asarray, compiled[each](*steps[each][1])))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(shapes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for (shape, index), got in zip(zip(shapes, range(len(shapes)), strict=True), results, strict=True):
        assert len(got) == 30
        step, arrays = training_step(shape, 4 + 3 * index, jnp.float32, "xla")
        for wanted, *each in zip(*map(jax.tree.leaves, (step(*arrays), *got)), strict=True):
            for value in each:
                np.testing.assert_allclose(value, wanted, atol=1e-4 * np.abs(wanted).max())


class MallInfo2(ctypes.Structure):
    """What glibc's `mallinfo2` reports of its heaps."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    )


def memory():
    """Bytes that are allocated, and that are resident."""
    libc = ctypes.CDLL("libc.so.6")
    libc.mallinfo2.restype = MallInfo2
    info = libc.mallinfo2()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return info.uordblks + info.hblkhd, resident


@pytest.mark.perf
def test_memory_does_not_grow(onednn):
    """Over 10,000 steps after a warm-up.

    What is allocated by malloc, as the extension and XLA do it, may grow by less than 100 bytes a step. TBB has an
    allocator of its own. With work as small as this, which the calling thread has often done before the other core
    comes to help, TBB keeps notes of tasks for that core until it does come, and resident memory grew by 20 MB; over
    steps of femonet it is flat.
    """
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("the C library has no mallinfo2; glibc has it from 2.33 on")
    dtype = jnp.bfloat16 if library.trains_in_bfloat16() else jnp.float32
    step, arrays = training_step((4, 8, 8, 4), 8, dtype, "onednn")
    for _ in range(1000):
        jax.block_until_ready(step(*arrays))
    allocated, resident = memory()
    for _ in range(10_000):
        jax.block_until_ready(step(*arrays))
    allocated_then, resident_then = memory()
    assert allocated_then - allocated < 1_000_000
    assert resident_then - resident < 64_000_000


@pytest.mark.integration
def test_address_sanitizer_finds_nothing(onednn, onednn_files, tmp_path):
    """Every primitive, in a process with the extension built for AddressSanitizer; JAX and oneDNN are as they are.

    Memory that is lost counts where the extension's own functions asked for it. The sanitizer's list of losses at the
    end also names Python's and JAX's, which both leave to the end of the process.
    """
    compiler = shlex.split(os.environ.get("CXX", "")) or ["c++"]

    def runtime(name):
        found = subprocess.run([*compiler, f"-print-file-name={name}"], capture_output=True, text=True)
        if found.returncode or not Path(found.stdout.strip()).is_absolute():
            pytest.skip(f"the compiler {compiler[0]} has no {name}")
        return found.stdout.strip()

    # The sanitizer looks for the functions that throw when it starts, and Python itself comes without them.
    preloaded = f"{runtime('libasan.so')} {runtime('libstdc++.so.6')}"
    flags = ("-O1", "-fsanitize=address", "-fno-omit-frame-pointer", "-g1")  # compiles in half the time of -O2 and -g
    build(onednn_files, flags)
    log = tmp_path / "sanitizer"
    options = {"log_path": log, "detect_leaks": 1, "exitcode": 0, "halt_on_error": 0}
    environment = os.environ | {
        "LD_PRELOAD": preloaded,
        "ASAN_OPTIONS": ":".join(f"{name}={value}" for name, value in options.items()),
        "JAX_ENABLE_COMPILATION_CACHE": "false",
    }
    script = Path(__file__).with_name("every_primitive.py")
    result = subprocess.run(
        [sys.executable, script, *flags], capture_output=True, text=True, env=environment, timeout=300
    )
    reports = "\n\n".join(path.read_text() for path in tmp_path.glob("sanitizer.*"))
    assert not re.search(r"(?<!SUMMARY: )AddressSanitizer:", reports), reports[:10_000]
    lost = [block for block in reports.split("\n\n") if "leak of" in block and str(SOURCES[0].parent) in block]
    assert not lost, "\n\n".join(lost)[:10_000]
    assert result.returncode == 0, result.stderr
    assert "every primitive ran" in result.stdout
