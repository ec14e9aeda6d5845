"""Training over several devices and processes is the same training."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def losses(workdir):
    log = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [record["loss"] for record in log]


@pytest.fixture(scope="module")
def reference(trained):
    """The loss curve of one device."""
    return losses(trained)


@pytest.mark.integration
def test_eight_devices_give_the_loss_curve_of_one(femo, reference, tmp_path):
    femo.run(*femo.train_arguments(tmp_path / "run", "--cpu-devices", "8"))
    assert losses(tmp_path / "run") == pytest.approx(reference, rel=5e-3)


SRUN = """#!/bin/bash
for number in $(seq 0 $((SLURM_NTASKS - 1))); do
    SLURM_PROCID=$number "$@" &
done
wait -n && wait -n
"""
"""SLURM's command for two tasks, on this machine; it fails when one of them does."""


@pytest.mark.integration
def test_two_processes_of_the_slurm_script_give_the_loss_curve_of_one(femo, reference, tmp_path):
    """The script of the page, with the network, data and port of the test."""
    page = (ROOT / "docs" / "multi-host.md").read_text("utf-8")
    (script,) = re.findall(r"^```bash title=\"femo.sbatch\"\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for text, ours in (
        ("femonet-base", str(femo.config)),
        ("fer2013.zip", str(femo.data)),
        (":12345", f":{port}"),
        ("femo train", f"{sys.executable} -m femo_jax.cli.main train"),
    ):
        assert script.count(text) == 1, text
        script = script.replace(text, ours)
    for name, contents in (("srun", SRUN), ("scontrol", "#!/bin/bash\necho 127.0.0.1\necho other\n")):
        (tmp_path / name).write_text(contents)
        (tmp_path / name).chmod(0o755)
    environment = femo.environment | {
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SLURM_NTASKS": "2",
        "SLURM_JOB_NODELIST": "host[1-2]",
    }
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    assert losses(tmp_path / "runs" / "base") == pytest.approx(reference, rel=5e-3)
    assert (tmp_path / "runs" / "base" / "report.json").exists()
    environment = json.loads((tmp_path / "runs" / "base" / "config.json").read_text())["environment"]
    assert environment["processes"] == 2


@pytest.mark.integration
def test_teachers_on_two_devices_give_the_loss_curve_of_one(femo, trained, tmp_path):
    teachers = ["--teachers", json.dumps([str(trained)]), "--distillation-weight", "0.8", "--augmentation.mixup", "0.5"]
    curves = []
    for devices in (1, 2):
        workdir = tmp_path / str(devices)
        femo.run(*femo.train_arguments(workdir, *teachers, "--epochs", "2", "--ops", "xla", "--cpu-devices", devices))
        curves.append(losses(workdir))
    assert curves[1] == pytest.approx(curves[0], rel=5e-3)
