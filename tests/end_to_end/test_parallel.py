"""Training over several devices and processes is the same training."""

import json
import socket

import pytest


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


@pytest.mark.integration
def test_two_processes_give_the_loss_curve_of_one(femo, reference, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    group = ["--distributed.coordinator", address, "--distributed.num-processes", "2", "--distributed.process-id"]
    workdir = tmp_path / "run"
    processes = [femo.start(*femo.train_arguments(workdir, *group, number)) for number in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    assert losses(workdir) == pytest.approx(reference, rel=5e-3)
    assert (workdir / "report.json").exists()


@pytest.mark.integration
def test_teachers_on_two_devices_give_the_loss_curve_of_one(femo, trained, tmp_path):
    teachers = ["--teachers", json.dumps([str(trained)]), "--distillation-weight", "0.8", "--augmentation.mixup", "0.5"]
    curves = []
    for devices in (1, 2):
        workdir = tmp_path / str(devices)
        femo.run(*femo.train_arguments(workdir, *teachers, "--epochs", "2", "--ops", "xla", "--cpu-devices", devices))
        curves.append(losses(workdir))
    assert curves[1] == pytest.approx(curves[0], rel=5e-3)
