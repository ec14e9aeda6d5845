"""The run folder: its files, a lock against a second run, `config.json` and the metric log.

`config.json` holds configuration, data and versions; `metrics.jsonl` one JSON object per epoch and split, appended as a
run goes on.
"""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax

from femo_jax.data.splits import Split, digest_of
from femo_jax.emotions import EMOTIONS, check_class_names
from femo_jax.errors import CheckpointError, ConfigError
from femo_jax.files import write_json, write_text
from femo_jax.model_file import LoadedModel, prediction_digest
from femo_jax.ops import Choice
from femo_jax.train.config import TrainConfig, as_dict, differences, upgraded
from femo_jax.train.devices import device_name

CONFIG_FILE, METRICS_FILE, LOCK_FILE = "config.json", "metrics.jsonl", ".lock"
NEWEST, BEST = "checkpoints", "best"

_PACKAGES = ("femo-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
_COMPUTED_ON = ("cores", "platform", "devices", "ops", "dtype")


def finished_steps(folder: Path) -> list[int]:
    """Steps of the finished checkpoints of a folder; Orbax renames a checkpoint to its number when it is complete."""
    return [int(child.name) for child in folder.iterdir() if child.name.isdigit()] if folder.is_dir() else []


@contextlib.contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Keeps other processes from training in a run folder, which is made if need be.

    The operating system releases the lock when the process ends, however it ends.

    Raises:
      ConfigError: a process trains in it; the message names the process and its host.
    """
    path = workdir / LOCK_FILE
    workdir.mkdir(parents=True, exist_ok=True)
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            owner = file.read().strip() or "another process"
            file.close()
            raise ConfigError(
                f"{workdir}: {owner} trains in it. Wait for it, stop it, or choose another --workdir"
            ) from error
        if _is_at(path, file.fileno()):
            break
        file.close()  # its owner removed it in the meantime
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether an open file is still the one at `path`."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def remove_run(workdir: Path) -> None:
    """Deletes configuration, metrics and checkpoints of the run in a folder; other files stay."""
    for name in (NEWEST, BEST):
        shutil.rmtree(workdir / name, ignore_errors=True)
    for name in (METRICS_FILE, CONFIG_FILE):
        (workdir / name).unlink(missing_ok=True)


def read_run_record(workdir: Path) -> dict[str, Any]:
    """The `config.json` of a run folder; the configuration of an older femo with the current names and defaults.

    Raises:
      CheckpointError: the folder or the file is missing or damaged.
    """
    path = workdir / CONFIG_FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        record = record | {"config": upgraded(record["config"])}
        _check_run_record(record)
        return record
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{workdir}: not a run folder (no {CONFIG_FILE}). Expected a workdir of `femo train`"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{path}: damaged ({type(error).__name__}: {error}). Expected the file that `femo train` wrote"
        ) from error


def _check_run_record(record: dict[str, Any]) -> None:
    """Raises ValueError or TypeError where what femo reads from a record is not of the type that it wrote."""
    config, data = record["config"], record.get("data", {})
    kinds = {"model": str, "model_options": dict, "soft_labels": str, "teachers": list, "epochs": int, "seed": int}
    for name, kind in kinds.items():
        if not isinstance(config[name], kind) or isinstance(config[name], bool):
            raise TypeError(f"config.{name} is {config[name]!r}")
    if not all(isinstance(teacher, str) for teacher in config["teachers"]):
        raise TypeError(f"config.teachers is {config['teachers']!r}")
    if not isinstance(data, dict) or not isinstance(record.get("environment", {}), dict):
        raise TypeError("data and environment are not objects")
    if not all(isinstance(split, dict) for split in data.values()):
        raise TypeError(f"data is {data!r}")
    class_names_of(record)


def class_names_of(record: dict[str, Any]) -> tuple[str, ...]:
    """The class names of the data of a run, from its `config.json`.

    Raises:
      ConfigError: they are damaged.
    """
    return check_class_names(record.get("data", {}).get("classes", {}).get("names", EMOTIONS))


def describe_data(
    train: Split, validation: Split, config: TrainConfig, teachers: Sequence[LoadedModel] = ()
) -> dict[str, Any]:
    """What identifies the data of a run.

    Number of images and digest of images and labels of each split; digests of soft labels and votes if they are used,
    and of the teachers, in the order of `config.teachers`; the class names where they are not those of FER-2013, of
    which a run of femo 0.1 says nothing.
    """
    description: dict[str, Any] = {
        name: {"n": len(split.labels), "sha256": digest_of(split.images, split.labels.astype("<i4"))}
        for name, split in (("train", train), ("validation", validation))
    }
    if train.class_names != EMOTIONS:
        description["classes"] = {"names": list(train.class_names)}
    if config.ferplus_weight and train.votes is not None:
        description["votes"] = {"sha256": digest_of(train.votes)}
    if config.soft_labels:
        description["soft_labels"] = {"sha256": hashlib.sha256(Path(config.soft_labels).read_bytes()).hexdigest()}
    if teachers:
        description["teachers"] = {"sha256": [prediction_digest(teacher) for teacher in teachers]}
    return description


def claim_workdir(
    workdir: Path,
    config: TrainConfig,
    data: dict[str, Any],
    choice: Choice,
    *,
    write: bool,
    fine_tuning: dict[str, Any] | None = None,
    class_frequencies: dict[str, float] | None = None,
) -> list[str]:
    """Writes `config.json` in a new run folder, if `write`; in an old one, checks that it is of the same run.

    A run may be resumed with more epochs: its schedule is then that of the longer run. `fine_tuning`, about starting
    weights and frozen parameters, and `class_frequencies`, of the training split by class name, are stored in a new run
    folder.

    Returns:
      Notes on what differs from the run so far without being an error.

    Raises:
      ConfigError, CheckpointError: as `check_workdir`.
      CheckpointError: results of a run are here, without the checkpoints or the `config.json` needed to resume it.
    """
    computed = {"ops": choice.implementation, "dtype": choice.dtype}
    record = _asked(config, data) | {"environment": _environment() | computed}
    if fine_tuning:
        record["fine_tuning"] = fine_tuning
    if class_frequencies:
        record["class_frequencies"] = class_frequencies
    there = [name for name in (METRICS_FILE, f"{BEST}/", f"{NEWEST}/") if _has_contents(workdir / name)]
    if not (workdir / CONFIG_FILE).exists():
        if there:
            raise CheckpointError(
                f"{workdir}: has {' and '.join(there)} but no {CONFIG_FILE} that states of which run. Put it back,"
                " choose another --workdir, or start again with --restart, which deletes them"
            )
        if write:
            write_json(workdir / CONFIG_FILE, record)
        return []
    if there and not finished_steps(workdir / NEWEST):
        raise CheckpointError(
            f"{workdir}: has {' and '.join(there)} but no checkpoint in {NEWEST}/ to resume from. Put the checkpoints"
            " back, choose another --workdir, or start again with --restart, which deletes what is there"
        )
    before = check_workdir(workdir, config, data, may_lengthen=True)
    notes = [
        f"warning: this run began with {name} {old}, now {name} is {record['environment'].get(name)}: metrics agree up"
        " to rounding, not bit for bit"
        for name in _COMPUTED_ON
        if (old := before.get("environment", {}).get(name)) not in (None, record["environment"].get(name))
    ]
    epochs = before["config"]["epochs"]
    if epochs != config.epochs:
        notes.append(
            f"the run of {epochs} epochs is lengthened to {config.epochs}; from here on the learning rate follows the"
            f" schedule of {config.epochs} epochs"
        )
        if write:
            write_json(workdir / CONFIG_FILE, before | _asked(config, data))
    return notes


def check_workdir(
    workdir: Path, config: TrainConfig, data: dict[str, Any], *, may_lengthen: bool = False
) -> dict[str, Any]:
    """The record of the run in a folder, checked to be of this configuration and data.

    The kernel backend may differ: backends agree up to rounding. Fields that an older femo did not have had the value
    that is the default now. Soft labels and teachers are compared by content, not by path.

    Raises:
      ConfigError: it is of another configuration or data set; the message lists the differences.
      CheckpointError: there is no `config.json`, or it is damaged.
    """
    record = read_run_record(workdir)
    asked = _asked(config, data)
    before = {"config": dict(record["config"]), "data": record.get("data")}
    now = {"config": dict(asked["config"]), "data": asked["data"]}
    for name in ("soft_labels", "teachers"):
        if before["config"][name] and now["config"][name]:
            before["config"][name] = now["config"][name]
    if may_lengthen and before["config"]["epochs"] < config.epochs:
        before["config"]["epochs"] = config.epochs
    if found := differences(before, now):
        raise ConfigError(
            f"{workdir}: has a run with another configuration:\n  "
            + "\n  ".join(found)
            + "\nChoose another --workdir, or resume the run with its own configuration; only epochs may grow"
        )
    return record


def _has_contents(path: Path) -> bool:
    if path.is_dir():
        return any(path.iterdir())
    return path.is_file() and path.stat().st_size > 0


def _asked(config: TrainConfig, data: dict[str, Any]) -> dict[str, Any]:
    return {"config": as_dict(config), "data": data}


def _environment() -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()  # Linux only
    return {
        "python": platform.python_version(),
        "cores": cores,
        "platform": jax.default_backend(),
        "device": device_name(),
        "devices": jax.device_count(),
        "processes": jax.process_count(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def append_record(path: Path, record: dict[str, Any]) -> None:
    """Adds one line and makes sure that it is on the disk; NaN is refused with ValueError.

    Raises:
      CheckpointError: the disk is full, or the file cannot be written.
    """
    line = json.dumps(record, allow_nan=False) + "\n"
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise CheckpointError(
            f"{path}: could not be written ({error.strerror}). Make room and start the same command again: it"
            " resumes from the last checkpoint"
        ) from error


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records of a log, also of a run in progress: a last line without its end is left out.

    Raises:
      CheckpointError: there is no such file, or a whole line is not JSON.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such metric log. Expected the {METRICS_FILE} that `femo train` writes")
    *whole, _ = path.read_text(encoding="utf-8", errors="replace").split("\n")
    records = []
    for number, line in enumerate(whole, start=1):
        try:
            record = json.loads(line, parse_constant=_refuse_constant)
            _check_record(record)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise CheckpointError(
                f"{path}, line {number}: not a record of `femo train` ({type(error).__name__}: {error}). Remove the"
                " line"
            ) from error
        records.append(record)
    return records


def _check_record(record: Any) -> None:
    """Raises TypeError or KeyError for what is not a record of an epoch and split."""
    if not isinstance(record, dict):
        raise TypeError(f"expected an object, found {type(record).__name__}")
    for name, kind in (("step", int), ("epoch", int), ("split", str)):
        if not isinstance(record[name], kind) or isinstance(record[name], bool):
            raise TypeError(f"{name} is {record[name]!r}")
    for name in ("loss", "accuracy", "learning_rate", "seconds"):
        if not isinstance(record.get(name, 0.0), int | float):
            raise TypeError(f"{name} is {record[name]!r}")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number that femo writes")


def keep_records_until(path: Path, step: int, last: Sequence[dict[str, Any]] = ()) -> list[dict[str, Any]]:
    """Drops what was logged after `step`, for a run that resumes there, and returns what is left.

    Args:
      path: of the log; it need not exist.
      step: of the checkpoint.
      last: records that were saved with the checkpoint, added if the log lacks them.
    """
    records = [record for record in read_records(path) if record["step"] <= step] if path.is_file() else []
    logged = {(record["epoch"], record["split"]) for record in records}
    records += [record for record in last if (record["epoch"], record["split"]) not in logged]
    write_text(path, "".join(json.dumps(record) + "\n" for record in records))
    return records
