"""Checkpoints in a run folder: the newest states, from which a run resumes, and the best weights."""

import contextlib
import hashlib
import logging
import math
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import numpy as np
import orbax.checkpoint as ocp
from flax import serialization

from femo_jax.errors import CheckpointError
from femo_jax.model_file import LoadedModel
from femo_jax.models import model_options, with_classes
from femo_jax.preprocess import FER2013_MEAN, FER2013_STD, IMAGE_SIZE
from femo_jax.train.state import TrainState
from femo_jax.train.workdir import (
    BEST,
    METRICS_FILE,
    NEWEST,
    class_names_of,
    finished_steps,
    read_records,
    read_run_record,
)

logger = logging.getLogger(__name__)


class Resumed(NamedTuple):
    """A saved state.

    Attributes:
      state: of training.
      seconds: that its epoch had taken until then; 0 at the end of an epoch.
      records: of the metric log that were saved with it.
    """

    state: TrainState
    seconds: float
    records: list[dict[str, Any]]


class _Saved(NamedTuple):
    step: int
    tree: Any
    seconds: float
    records: list[dict[str, Any]]


def save_newest(workdir: Path, state: TrainState, seconds: float = 0.0, records: Sequence[dict[str, Any]] = ()) -> None:
    """Saves everything that the run needs to resume; the checkpoint before is kept in case this one is damaged later.

    Args:
      workdir: the run folder.
      state: to be saved.
      seconds: that its epoch has taken so far, within an epoch.
      records: of the metric log for the epochs up to it that are not logged yet. They are logged after the checkpoint,
        and restored from it should the run be killed in between.
    """
    check = {"seconds": seconds, "records": list(records)}
    _save(workdir / NEWEST, int(state.step), serialization.to_state_dict(state), keep=2, check=check)


def save_best(workdir: Path, step: int, weights: Any) -> None:
    """Saves the averaged weights `TrainState.ema` of a step as the best ones.

    Those before are kept in case the run has to resume before these.
    """
    _save(workdir / BEST, step, serialization.to_state_dict(weights), keep=2)


NO_EPOCH = (-1.0, -math.inf)
"""Less than `rank` of any epoch."""


def rank(record: Mapping[str, Any]) -> tuple[float, float]:
    """By which epochs are compared, the greater the better: validation accuracy, and of equal ones the lower loss.

    A small validation split has few accuracies to offer: without the loss, the first epoch of several would be kept,
    which is the least trained.

    Args:
      record: of an epoch on the validation split.
    """
    return record["accuracy"], -record["loss"]


def reconcile_best(workdir: Path, state: TrainState, records: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Makes the best weights agree with the metric log of a run that resumes.

    A run that was killed between two of its files may have saved best weights of an epoch that is not logged, or not
    yet those of the last epoch that is.

    Args:
      workdir: the run folder.
      state: from which the run resumes.
      records: of the metric log up to this state.

    Returns:
      The `rank` of the saved best weights; `NO_EPOCH` where there are none, so that the next epoch saves its own.
    """
    ranks = {record["step"]: rank(record) for record in records if record["split"] == "validation"}
    for step in finished_steps(workdir / BEST):
        if step not in ranks:
            _remove(workdir / BEST, step)
    if not ranks:
        return NO_EPOCH
    best = max(ranks, key=lambda step: (ranks[step], -step))
    if best == int(state.step) and best not in finished_steps(workdir / BEST):
        save_best(workdir, best, state.ema)
    return max((ranks[step] for step in finished_steps(workdir / BEST)), default=NO_EPOCH)


def restore_newest(workdir: Path, state: TrainState) -> Resumed | None:
    """The newest intact state, or None if the run has no checkpoint yet.

    A damaged checkpoint is skipped with a warning in favour of the one before; its step is saved again when the run
    reaches it.

    Args:
      workdir: the run folder.
      state: a state of the same shapes, whose functions and structure are used.

    Raises:
      CheckpointError: there are checkpoints, and none of them is intact.
    """
    template = serialization.to_state_dict(jax.device_get(state))
    found = _restore_newest_whole(workdir / NEWEST, template)
    if found is None:
        return None
    restored = cast(TrainState, serialization.from_state_dict(state, found.tree))
    return Resumed(restored, found.seconds, found.records)


def load_for_inference(workdir: Path) -> LoadedModel:
    """The best weights of a run, ready to evaluate or to export.

    Raises:
      CheckpointError: the folder is not a run, or holds no whole checkpoint yet.
    """
    record = read_run_record(workdir)
    found = _restore_newest_whole(workdir / BEST, None)
    if found is None:
        raise CheckpointError(f"{workdir}: no checkpoint yet. Wait for the first epoch of `femo train` to end")
    step, variables = found.step, found.tree
    class_names = class_names_of(record)
    options = with_classes(record["config"]["model"], record["config"]["model_options"], len(class_names))
    validation = [r for r in read_records(workdir / METRICS_FILE) if r["split"] == "validation" and r["step"] == step]
    return LoadedModel(
        architecture=record["config"]["model"],
        options=network_options(record["config"]["model"], options),
        variables=jax.tree.map(np.asarray, variables),
        mean=FER2013_MEAN,
        std=FER2013_STD,
        image_size=IMAGE_SIZE,
        classes=class_names,
        training={
            "config": _without_folders(record["config"]),
            "data": record["data"],
            **_starting_weights(record),
            **({"class_frequencies": record["class_frequencies"]} if "class_frequencies" in record else {}),
            "step": step,
            "validation": _without_times(validation[-1]) if validation else {},
        },
    )


def network_options(model: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A network's options with its defaults written out, so that a model file outlives a change of these."""
    options = model_options(model) | dict(given)
    options.pop("dtype", None)  # of the computation, not of the weights
    return options


def _starting_weights(record: Mapping[str, Any]) -> dict[str, Any]:
    """What `config.json` states about starting weights, for a model file; nothing for a run that has none."""
    started = record.get("fine_tuning", {})
    return {"fine_tuning": started | {"init": Path(started["init"]).name}} if "init" in started else {}


def _without_times(record: dict[str, Any]) -> dict[str, Any]:
    """A line of the metric log without what differs between two runs that are otherwise the same."""
    return {key: value for key, value in record.items() if key not in ("seconds", "time")}


def _without_folders(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration that may leave this machine; digests identify soft labels, teachers and starting weights."""
    bare: dict[str, Any] = {name: Path(config.get(name, "")).name for name in ("soft_labels", "init")}
    return config | bare | {"teachers": [Path(teacher).name for teacher in config.get("teachers", ())]}


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


def _remove_unfinished(folder: Path) -> None:
    for rest in folder.glob("*orbax-checkpoint-tmp*"):
        shutil.rmtree(rest, ignore_errors=True)


def _save(folder: Path, step: int, tree: Any, keep: int, check: Mapping[str, Any] | None = None) -> None:
    tree = jax.device_get(tree)
    _check_room(folder, tree)
    for later in finished_steps(folder):
        # A run that went back to an earlier checkpoint comes past these steps again, and Orbax only goes forward.
        if later >= step:
            _remove(folder, later)
    _remove_unfinished(folder)  # of a save that failed, whose threads may have written on for a while
    try:
        with _quiet_orbax(), _manager(folder, keep) as manager:
            described = ocp.args.JsonSave({"sha256": _digest(tree), **(check or {})})
            manager.save(step, args=ocp.args.Composite(state=ocp.args.StandardSave(tree), check=described))
    # Orbax and TensorStore have no error of their own for a disk that is full.
    except Exception as error:
        _remove(folder, step)
        _remove_unfinished(folder)
        logging.getLogger("asyncio").addFilter(_not_of_orbax)
        reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200] if str(error).strip() else ''}"
        raise _not_saved(folder / str(step), reason) from error
    if step not in finished_steps(folder):
        raise _not_saved(folder / str(step), "Orbax left it incomplete")


def _check_room(folder: Path, tree: Any) -> None:
    """Raises CheckpointError where the disk has no room for the arrays of a checkpoint, before anything is written."""
    needed = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(tree))
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise _not_saved(folder, f"No space left on device: {needed / 1e6:.1f} MB needed, {free / 1e6:.1f} MB free")


def _not_saved(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: the checkpoint could not be saved ({reason}). Make room and start the same command again: it resumes"
        " from the checkpoint before"
    )


@contextlib.contextmanager
def _quiet_orbax() -> Iterator[None]:
    """Keeps tracebacks that Orbax and its asyncio tasks log off the terminal: femo reports the error."""
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    before = [logger.disabled for logger in loggers]
    hook = sys.unraisablehook
    sys.unraisablehook = lambda unraisable: logger.debug("ignored in %r: %r", unraisable.object, unraisable.exc_value)
    for each in loggers:
        each.disabled = True
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for each, disabled in zip(loggers, before, strict=True):
            each.disabled = disabled


def _not_of_orbax(record: logging.LogRecord) -> bool:
    """False for what asyncio logs about tasks of a failed save, whenever they are collected: femo reports the error."""
    return "orbax" not in record.getMessage()


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
            logger.warning("%s is damaged and skipped (%s)", folder / str(step), reason)
    if steps:
        raise CheckpointError(
            f"{folder}: every checkpoint is damaged, or of another run. Start again with --restart, which deletes it"
        )
    return None


def _restore(folder: Path, step: int, template: Any) -> _Saved:
    with _quiet_orbax(), _manager(folder) as manager:
        restored = manager.restore(
            step, args=ocp.args.Composite(state=ocp.args.StandardRestore(template), check=ocp.args.JsonRestore())
        )
    tree = jax.tree.map(np.asarray, restored["state"])
    if _digest(tree) != restored["check"]["sha256"]:
        raise ValueError("the arrays do not have the digest that was saved with them")
    if template is not None and _shapes(tree) != _shapes(template):
        raise ValueError("the arrays are those of another network or optimiser")
    return _Saved(step, tree, restored["check"].get("seconds", 0.0), restored["check"].get("records", []))


def _shapes(tree: Any) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes of all arrays."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return sorted((jax.tree_util.keystr(path), np.shape(leaf)) for path, leaf in leaves)


def _digest(tree: Any) -> str:
    """A digest over all arrays: names, types and bytes."""
    digest = hashlib.sha256()
    for path, leaf in sorted(jax.tree_util.tree_leaves_with_path(tree), key=lambda item: jax.tree_util.keystr(item[0])):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
