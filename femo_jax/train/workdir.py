"""The run folder: where its files are, and `config.json` with the configuration, the data and the versions."""

import hashlib
import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

import jax

from femo_jax.data.splits import Split, digest_of
from femo_jax.errors import CheckpointError, ConfigError
from femo_jax.files import write_json
from femo_jax.ops import Choice
from femo_jax.train.config import TrainConfig, as_dict, differences, upgraded

CONFIG_FILE = "config.json"
NEWEST, BEST = "checkpoints", "best"

_PACKAGES = ("femo-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def finished_steps(folder: Path) -> list[int]:
    """Steps of the finished checkpoints of a folder; Orbax renames a checkpoint to its number when it is complete."""
    return [int(child.name) for child in folder.iterdir() if child.name.isdigit()] if folder.is_dir() else []


def read_run_record(workdir: Path) -> dict[str, Any]:
    """The `config.json` of a run folder; the configuration of an older femo with today's names and defaults.

    Raises:
      CheckpointError: the folder or the file is missing or damaged.
    """
    path = workdir / CONFIG_FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return record | {"config": upgraded(record["config"])}
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{workdir}: not a run folder (no {CONFIG_FILE}). Expected a workdir of `femo train`"
        ) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error}). Expected the file that `femo train` wrote") from error


def describe_data(train: Split, validation: Split, config: TrainConfig) -> dict[str, Any]:
    """Number of pictures and a digest of pictures and labels of each split, and of soft labels and votes if used."""
    description: dict[str, Any] = {
        name: {"n": len(split.labels), "sha256": digest_of(split.images, split.labels.astype("<i4"))}
        for name, split in (("train", train), ("validation", validation))
    }
    if config.ferplus_weight and train.votes is not None:
        description["votes"] = {"sha256": digest_of(train.votes)}
    if config.soft_labels:
        description["soft_labels"] = {"sha256": hashlib.sha256(Path(config.soft_labels).read_bytes()).hexdigest()}
    return description


def claim_workdir(workdir: Path, config: TrainConfig, data: dict[str, Any], choice: Choice, *, write: bool) -> None:
    """Writes `config.json` into a new run folder, where `write`; in an old one, makes sure that it is the same run.

    Raises:
      ConfigError, CheckpointError: as `check_workdir`.
      CheckpointError: there are checkpoints and no `config.json` that says of which run.
    """
    if (workdir / CONFIG_FILE).exists():
        check_workdir(workdir, config, data)
    elif write:
        if finished_steps(workdir / NEWEST):
            raise CheckpointError(
                f"{workdir}: checkpoints are here, and no {CONFIG_FILE} that says of which run. Put it back, choose"
                " another --workdir, or remove the folder to start anew"
            )
        computed = {"ops": choice.implementation, "dtype": choice.dtype}
        write_json(workdir / CONFIG_FILE, _asked(config, data) | {"environment": _environment() | computed})


def check_workdir(workdir: Path, config: TrainConfig, data: dict[str, Any]) -> None:
    """Makes sure that the run in a folder is the one of this configuration and data.

    The run may have gone on with another implementation of the layers: they agree up to rounding. What an older femo
    did not write had the value that is the default now.

    Raises:
      ConfigError: it is of another configuration or data set; the message says what differs.
      CheckpointError: there is no `config.json`, or it is damaged.
    """
    record = read_run_record(workdir)
    there = {"config": record["config"], "data": record.get("data")}
    found = differences(there, _asked(config, data))
    if found:
        raise ConfigError(
            f"{workdir}: a run with another configuration is here:\n  "
            + "\n  ".join(found)
            + "\nChoose another --workdir, or start with what that run had to go on with it"
        )


def _asked(config: TrainConfig, data: dict[str, Any]) -> dict[str, Any]:
    return {"config": as_dict(config), "data": data}


def _environment() -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()  # it is Linux's own
    return {
        "python": platform.python_version(),
        "cores": cores,
        "platform": jax.default_backend(),
        "devices": jax.device_count(),
        "processes": jax.process_count(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }
