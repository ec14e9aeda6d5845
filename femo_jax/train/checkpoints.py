"""Checkpoints in a run folder: the newest states to go on from, and the best weights to use."""

import contextlib
import hashlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import numpy as np
import orbax.checkpoint as ocp
from flax import serialization

from femo_jax.emotions import EMOTIONS
from femo_jax.errors import CheckpointError
from femo_jax.model_file import LoadedModel
from femo_jax.models import model_options
from femo_jax.preprocess import FER2013_MEAN, FER2013_STD, IMAGE_SIZE
from femo_jax.train.metric_log import METRICS_FILE, read_records
from femo_jax.train.state import TrainState
from femo_jax.train.workdir import BEST, NEWEST, finished_steps, read_run_record

logger = logging.getLogger(__name__)


class Resumed(NamedTuple):
    """A saved state, and the seconds that its epoch had taken until then; 0 at the end of one."""

    state: TrainState
    seconds: float


class _Saved(NamedTuple):
    step: int
    tree: Any
    seconds: float


def save_newest(workdir: Path, state: TrainState, seconds: float = 0.0) -> None:
    """Saves everything that the run needs to go on; the one before is kept in case this one is damaged later.

    Args:
      workdir: the run folder.
      state: to be saved.
      seconds: that its epoch has taken so far, where it is in the midst of one.
    """
    _save(workdir / NEWEST, int(state.step), serialization.to_state_dict(state), keep=2, seconds=seconds)


def save_best(workdir: Path, state: TrainState) -> None:
    """Saves the averaged weights in place of the best ones so far."""
    _save(workdir / BEST, int(state.step), serialization.to_state_dict(state.ema), keep=1)


def restore_newest(workdir: Path, state: TrainState) -> Resumed | None:
    """The newest state that is whole, or None where the run has no checkpoint yet.

    A damaged checkpoint is left out, with a warning, in favour of the one before; its step is saved anew when the run
    comes past it again.

    Args:
      workdir: the run folder.
      state: a state of the same shapes, whose functions and structure are used.

    Raises:
      CheckpointError: there are checkpoints, and none of them is whole.
    """
    template = serialization.to_state_dict(jax.device_get(state))
    found = _restore_newest_whole(workdir / NEWEST, template)
    if found is None:
        return None
    return Resumed(cast(TrainState, serialization.from_state_dict(state, found.tree)), found.seconds)


def load_for_inference(workdir: Path) -> LoadedModel:
    """The best weights of a run, ready to evaluate or to export.

    Raises:
      CheckpointError: the folder is not a run, or holds no whole checkpoint yet.
    """
    record = read_run_record(workdir)
    found = _restore_newest_whole(workdir / BEST, None)
    if found is None:
        raise CheckpointError(f"{workdir}: no checkpoint yet. Wait for the first epoch of `femo train` to end")
    step, variables, _ = found
    validation = [r for r in read_records(workdir / METRICS_FILE) if r["split"] == "validation" and r["step"] == step]
    return LoadedModel(
        architecture=record["config"]["model"],
        options=_all_options(record["config"]),
        variables=jax.tree.map(np.asarray, variables),
        mean=FER2013_MEAN,
        std=FER2013_STD,
        image_size=IMAGE_SIZE,
        classes=EMOTIONS,
        training={
            "config": _without_folders(record["config"]),
            "data": record["data"],
            "step": step,
            "validation": _without_times(validation[-1]) if validation else {},
        },
    )


def _all_options(config: dict[str, Any]) -> dict[str, Any]:
    """The network's options with its defaults written out, so that a model file outlives a change of these."""
    options = model_options(config["model"]) | config["model_options"]
    del options["dtype"]  # of the computation, not of the weights
    return options


def _without_times(record: dict[str, Any]) -> dict[str, Any]:
    """A line of the metric log without what differs between two runs that are otherwise the same."""
    return {key: value for key, value in record.items() if key not in ("seconds", "time")}


def _without_folders(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration that may leave this machine; the digest under `data` says which soft labels they were."""
    return config | {"soft_labels": Path(config.get("soft_labels", "")).name}


@contextlib.contextmanager
def _manager(folder: Path, keep: int | None = None) -> Iterator[ocp.CheckpointManager]:
    """Orbax, blocking, and acting in the first process alone: the states that it is given are whole."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ocp.CheckpointManagerOptions(
        max_to_keep=keep,
        create=False,
        enable_async_checkpointing=False,
        multiprocessing_options=ocp.options.MultiprocessingOptions(
            primary_host=0, active_processes={0}, barrier_sync_key_prefix=folder.name
        ),
    )
    manager = ocp.CheckpointManager(folder.absolute(), options=options)
    try:
        yield manager
    finally:
        manager.close()


def _save(folder: Path, step: int, tree: Any, keep: int, seconds: float = 0.0) -> None:
    tree = jax.device_get(tree)
    for later in finished_steps(folder):
        # A run that went back to an earlier checkpoint comes past these steps again, and Orbax only goes forward.
        if later >= step:
            _remove(folder, later)
    try:
        with _manager(folder, keep) as manager:
            check = ocp.args.JsonSave({"sha256": _digest(tree), "seconds": seconds})
            manager.save(step, args=ocp.args.Composite(state=ocp.args.StandardSave(tree), check=check))
    except (OSError, ValueError) as error:
        _remove(folder, step)
        raise CheckpointError(
            f"{folder / str(step)}: the checkpoint could not be saved ({error}). Make room and start the same command"
            " again: it goes on from the checkpoint before"
        ) from error


def _remove(folder: Path, step: int) -> None:
    shutil.rmtree(folder / str(step), ignore_errors=True)


def _restore_newest_whole(folder: Path, template: Any) -> _Saved | None:
    """The newest step whose arrays are as they were saved, with them; None where nothing was saved."""
    steps = sorted(finished_steps(folder), reverse=True)
    for step in steps:
        try:
            return _restore(folder, step, template)
        # Orbax has no error of its own for a damaged folder: what comes depends on the byte that is wrong.
        except Exception as error:
            reason = f"{type(error).__name__}: {str(error)[:200]}"
            logger.warning("%s is damaged and left out (%s)", folder / str(step), reason)
    if steps:
        raise CheckpointError(f"{folder}: every checkpoint is damaged. Remove the run folder to start anew")
    return None


def _restore(folder: Path, step: int, template: Any) -> _Saved:
    with _manager(folder) as manager:
        restored = manager.restore(
            step, args=ocp.args.Composite(state=ocp.args.StandardRestore(template), check=ocp.args.JsonRestore())
        )
    tree = jax.tree.map(np.asarray, restored["state"])
    if _digest(tree) != restored["check"]["sha256"]:
        raise ValueError("the arrays do not have the digest that was saved with them")
    return _Saved(step, tree, restored["check"].get("seconds", 0.0))


def _digest(tree: Any) -> str:
    """A digest over all arrays: names, types and bytes."""
    digest = hashlib.sha256()
    for path, leaf in sorted(jax.tree_util.tree_leaves_with_path(tree), key=lambda item: jax.tree_util.keystr(item[0])):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
