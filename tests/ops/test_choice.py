import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from femo_jax.errors import ConfigError
from femo_jax.ops import Choice, choose
from femo_jax.ops.native import library
from femo_jax.ops.native.build import NativeError


@pytest.fixture
def unavailable(monkeypatch):
    """As if the extension could not be built."""

    def load():
        raise NativeError("no compiler")

    monkeypatch.setattr("femo_jax.ops.choice.load", load)


def test_onednn_where_it_is_to_be_had(onednn):
    assert choose("auto") == Choice("onednn", "float32", f"version {library.load()}, JAX runs on one CPU device")
    assert choose("onednn") == Choice("onednn", "float32", f"version {library.load()}, requested")


def test_bfloat16_where_the_processor_has_it(onednn, monkeypatch):
    monkeypatch.setattr("femo_jax.ops.choice.trains_in_bfloat16", lambda: True)
    assert choose("auto", "bfloat16")[:2] == ("onednn", "bfloat16")


@pytest.mark.parametrize(("instructions", "has"), [("AVX2", False), ("AVX512_CORE", False), ("AVX512_CORE_BF16", True)])
def test_bfloat16_takes_instructions_for_it(onednn, instructions, has):
    """AVX-512 alone imitates it, several times slower than float32."""
    if has and "avx512_bf16" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has none")
    program = "from femo_jax.ops.native.library import trains_in_bfloat16; print(trains_in_bfloat16())"
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": instructions}
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, env=environment
    )
    assert result.stdout.strip() == str(has), result.stderr


def test_float32_where_the_processor_has_no_bfloat16(onednn, monkeypatch):
    monkeypatch.setattr("femo_jax.ops.choice.trains_in_bfloat16", lambda: False)
    choice = choose("auto", "bfloat16")
    assert choice[:2] == ("onednn", "float32")
    assert choice.reason.endswith("in float32, since oneDNN has no bfloat16 for this processor")
    with pytest.raises(ConfigError, match="ops onednn: oneDNN has no bfloat16 for this processor"):
        choose("onednn", "bfloat16")
    assert choose("xla", "bfloat16") == Choice("xla", "bfloat16", "requested")


def test_xla_as_asked_asks_for_no_extension(unavailable):
    assert choose("xla") == Choice("xla", "float32", "requested")


def test_auto_takes_xla_where_the_extension_is_not_to_be_had(unavailable):
    assert choose("auto") == choose() == Choice("xla", "float32", "no compiler")
    assert choose("auto", "bfloat16") == Choice("xla", "bfloat16", "no compiler")


def test_onednn_is_refused_where_the_extension_is_not_to_be_had(unavailable):
    with pytest.raises(ConfigError, match=r"ops onednn: no compiler\. Choose xla or auto"):
        choose("onednn")


@pytest.mark.parametrize(
    ("system", "machine", "here"), [("linux", "aarch64", "Linux on aarch64"), ("darwin", "x86_64", "Darwin on x86_64")]
)
def test_machines_without_packages_of_onednn_have_xla(monkeypatch, recwarn, capfd, system, machine, here):
    """Silently with `auto`; the reason is there for a log, and names the machine instead of an install that fails."""
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("platform.system", system.capitalize)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(library, "_library", library._library.__wrapped__)  # as if not loaded yet
    reason = f"oneDNN has packages for x86-64 Linux alone, and this is {here}"
    assert choose("auto") == Choice("xla", "float32", reason)
    assert not recwarn.list and capfd.readouterr() == ("", "")
    with pytest.raises(ConfigError, match=rf"ops onednn: {reason}\. Choose xla or auto"):
        choose("onednn")


def test_other_platforms_have_xla(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert choose("auto") == Choice("xla", "float32", "JAX runs on gpu, and oneDNN is for a CPU")
    with pytest.raises(ConfigError, match="JAX runs on gpu"):
        choose("onednn")


def test_several_devices_have_xla():
    program = """
import jax
jax.config.update("jax_num_cpu_devices", 2)
from femo_jax.errors import ConfigError
from femo_jax.ops import choose
print(choose("auto"))
try:
    choose("onednn")
except ConfigError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    auto, refused = result.stdout.splitlines()
    reason = "there are 2 devices, and oneDNN uses all cores from one"
    assert auto == str(Choice("xla", "float32", reason))
    assert refused.startswith("ops onednn: there are 2 devices")
