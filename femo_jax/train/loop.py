"""The training loop: steps, an evaluation and a checkpoint each epoch, and resuming from the last checkpoint."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from jax.tree_util import Partial

from femo_jax.data.pipeline import Loader, evaluation_batches, steps_per_epoch, train_batches
from femo_jax.data.splits import Split, common_class_names
from femo_jax.errors import ConfigError, DivergenceError
from femo_jax.model_file import LoadedModel
from femo_jax.models import create_model, with_classes
from femo_jax.ops import Ops, choose
from femo_jax.preprocess import IMAGE_SIZE
from femo_jax.prior import class_frequencies
from femo_jax.signals import StopRequest, stop_request
from femo_jax.train.checkpoints import NO_EPOCH, rank, reconcile_best, restore_newest, save_best, save_newest
from femo_jax.train.config import TrainConfig
from femo_jax.train.devices import check_divides, data_mesh, process_rows, replicate, settle, shard_batch
from femo_jax.train.fine_tuning import apply_with_frozen_norms, frozen_norms
from femo_jax.train.optimizer import create_optimizer, create_schedule
from femo_jax.train.preflight import check_network
from femo_jax.train.progress import Reporter
from femo_jax.train.starting_weights import describe, frozen_record, start_from
from femo_jax.train.state import NEVER, Metrics, TrainState, create_train_state, whiten_first_layer
from femo_jax.train.steps import eval_step, train_step
from femo_jax.train.targets import balanced_class_weights, training_targets
from femo_jax.train.teachers import load_teachers, teacher_function
from femo_jax.train.workdir import (
    METRICS_FILE,
    NEWEST,
    append_record,
    claim_workdir,
    describe_data,
    finished_steps,
    keep_records_until,
    locked,
    remove_run,
)

REPORT_EVERY = 20
"""Steps between two looks at the loss from outside the device."""

SAVE_EVERY = 10.0
"""Seconds between two checkpoints at least. A checkpoint takes part of a second, as a short epoch on a GPU does."""


class Interrupted(Exception):
    """The run was asked to end and has saved a checkpoint; `signum` is the signal that asked."""

    def __init__(self, signum: int, step: int) -> None:
        super().__init__(f"stopped at step {step}; the same command resumes from there")
        self.signum = signum


def train(
    config: TrainConfig,
    workdir: Path,
    train_split: Split,
    validation_split: Split,
    reporter: Reporter,
    on_record: Callable[[dict[str, Any]], None] | None = None,
    ops: Ops = "auto",
    *,
    loader: Loader = "auto",
    restart: bool = False,
    load_model: Callable[[str], LoadedModel] | None = None,
) -> None:
    """Trains a network until `config.epochs` are done; a run that is in the workdir is resumed.

    Off the main thread it works as well, and leaves signals to the caller.

    Args:
      config: what to train.
      workdir: the run folder; a new one, or one of the same configuration and data.
      train_split: images to fit.
      validation_split: images by which the best epoch is chosen.
      reporter: shows progress.
      on_record: called with each line of `metrics.jsonl`.
      ops: kernel backend, see `femo_jax.ops`.
      loader: what loads the training batches; each gives the same, see `femo_jax.data.pipeline`.
      restart: delete a run that is in the workdir first.
      load_model: loads the starting weights and teachers that the configuration names, as
        `femo_jax.weights.load_model` does; a run that resumes does not load its starting weights.

    Raises:
      ConfigError: the configuration does not fit the data, the devices, the starting weights, the teachers or the run
        folder; another process trains in the folder; or oneDNN was asked for and is not available.
      CheckpointError: a checkpoint cannot be read or written.
      DivergenceError: the loss or a gradient is not finite any more; the last good checkpoint is kept.
      Interrupted: SIGINT, SIGTERM or SIGHUP came; a checkpoint was saved.
    """
    mesh = data_mesh()
    check_divides(config.batch_size, mesh, "batch_size")
    check_divides(config.eval_batch_size, mesh, "eval_batch_size")
    first = jax.process_index() == 0
    per_epoch = steps_per_epoch(len(train_split.labels), config.batch_size)
    schedule = create_schedule(config, per_epoch)
    choice = choose(ops, config.dtype)
    class_names = common_class_names(train_split, validation_split)
    if load_model is None and (config.init or config.teachers):
        raise ConfigError("init and teachers name models: expected load_model, such as femo_jax.weights.load_model")
    loaded = load_teachers(config, load_model, class_names) if load_model else ()
    teachers = tuple(teacher_function(each, class_names, choice) for each in loaded)
    check_network(config, len(class_names), teachers)
    reporter.report(f"kernel backend: {choice.implementation} ({choice.reason})")
    model = create_model(
        config.model,
        ops=choice.implementation,
        **with_classes(config.model, config.model_options, len(class_names)),
    )
    training_model = model if choice.dtype == "float32" else model.clone(dtype=jnp.dtype(choice.dtype))
    targets = training_targets(train_split, config)
    if config.freeze:
        apply_fn = apply_with_frozen_norms(training_model, frozen_norms(training_model, config.freeze))
    else:
        apply_fn = training_model.apply
    state = create_train_state(
        jax.random.key(config.seed),
        training_model,
        create_optimizer(config, schedule),
        answers=targets if config.self_distillation else None,
    )
    state = state.replace(apply_fn=apply_fn)
    if config.whitening_init:
        state = whiten_first_layer(state, train_split.images)
    fine_tuning = frozen_record(state, config)
    if config.init and load_model and (restart or not finished_steps(workdir / NEWEST)):
        state, started = start_from(state, load_model(config.init), config, class_names)
        fine_tuning = started | fine_tuning
    for line in describe(fine_tuning):
        reporter.report(line)
    if teachers:
        reporter.report(f"teachers, in {choice.dtype} on the student's view: {', '.join(config.teachers)}")
    data = describe_data(train_split, validation_split, config, loaded)
    class_weights = np.ones(len(class_names), np.float32)
    if config.class_weights == "balanced":
        class_weights = balanced_class_weights(train_split.labels, len(class_names))
    with locked(workdir) if first else contextlib.nullcontext():
        if restart and first:
            remove_run(workdir)
        frequencies = class_frequencies(train_split.labels, class_names)
        notes = claim_workdir(
            workdir, config, data, choice, write=first, fine_tuning=fine_tuning, class_frequencies=frequencies
        )
        for message in notes:
            reporter.report(message)
        state, seconds, best = _resume(workdir, state, first)
        run = _Run(
            config=config,
            workdir=workdir,
            reporter=reporter,
            on_record=on_record,
            mesh=mesh,
            steps_per_epoch=per_epoch,
            schedule=schedule,
            class_weights=replicate(class_weights, mesh),
            teachers=replicate(teachers, mesh),
            key=replicate(jax.random.key_data(jax.random.key(config.seed)), mesh),
            batches=train_batches(
                train_split,
                targets,
                config.batch_size,
                seed=config.seed,
                start_step=int(state.step),
                num_steps=config.epochs * per_epoch,
                process_index=jax.process_index(),
                process_count=jax.process_count(),
                loader=loader,
            ),
            validation_split=validation_split,
            take_step=jax.jit(partial(train_step, config=config), donate_argnums=0, static_argnames="size"),
            evaluate_batch=jax.jit(partial(eval_step, apply_fn=model.apply)),
            unsaved=_Unsaved(),
        )
        _fit(run, replicate(state, mesh), seconds, best)


@dataclass
class _Unsaved:
    """What the epochs since the last checkpoint have left to be written, in the first process.

    Attributes:
      records: lines of the metric log.
      best: step and averaged weights of the best epoch so far, unless they are saved.
      saved_at: when the last checkpoint was written, by the clock of `time.perf_counter`.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    best: tuple[int, Any] | None = None
    saved_at: float = -math.inf


@dataclass(frozen=True)
class _Run:
    """What the steps and epochs of a run have in common.

    Attributes:
      config: see `train`, as for `workdir`, `reporter`, `on_record` and `validation_split`.
      mesh: devices.
      steps_per_epoch: optimiser steps.
      schedule: learning rate by step.
      class_weights: `[7] float32`, replicated.
      teachers: see `train_step`, replicated.
      batches: of the steps that are still to be done, in order.
      key: of the run's randomness, `[2] uint32`, replicated.
      take_step: `train_step`, compiled: state, batch, class weights, key, teachers and `size` -> state.
      evaluate_batch: `eval_step`, compiled, with the network in float32: state and batch -> metrics.
      unsaved: of the epochs since the last checkpoint.
    """

    config: TrainConfig
    workdir: Path
    reporter: Reporter
    on_record: Callable[[dict[str, Any]], None] | None
    mesh: Mesh
    steps_per_epoch: int
    schedule: optax.Schedule
    class_weights: jax.Array
    teachers: tuple[Partial, ...]
    key: jax.Array
    batches: Iterator[Any]
    validation_split: Split
    take_step: Callable[..., TrainState]
    evaluate_batch: Callable[..., Metrics]
    unsaved: _Unsaved


def _fit(run: _Run, state: TrainState, seconds: float, best: tuple[float, float]) -> None:
    """Train the epochs that a run still lacks.

    Args:
      run: what they have in common.
      state: to begin with, replicated.
      seconds: that the current epoch took before the run was stopped.
      best: `rank` of the best weights so far.
    """
    epochs, step = run.config.epochs, int(state.step)
    if step:
        run.reporter.report(f"resuming at step {step} of {epochs * run.steps_per_epoch} in {run.workdir}")
    with stop_request() as stop:
        run.reporter.start(step, epochs * run.steps_per_epoch)
        try:
            for epoch in range(step // run.steps_per_epoch + 1, epochs + 1):
                state, train_record = _train_epoch(run, state, epoch, seconds, stop)
                validation_record = _evaluate(run, state, epoch)
                state = state.replace(metrics=replicate(Metrics.zeros(), run.mesh))
                improved = rank(validation_record) > best
                best = max(best, rank(validation_record))
                _keep(run, state, (train_record, validation_record), improved)
                run.reporter.epoch(train_record, validation_record, improved)
                stops = epoch < epochs and _asked_to_stop(stop, True)
                if stops or epoch == epochs or time.perf_counter() - run.unsaved.saved_at >= SAVE_EVERY:
                    _save(run, state)
                if stops:
                    raise Interrupted(stop.signum, epoch * run.steps_per_epoch)
                seconds = 0.0
        finally:
            run.reporter.stop()


def _train_epoch(
    run: _Run, state: TrainState, epoch: int, seconds: float, stop: StopRequest
) -> tuple[TrainState, dict[str, Any]]:
    """Take the steps of an epoch that are still to be done; returns the state after them and the epoch's record.

    Raises:
      DivergenceError: a loss or gradient was not finite.
      Interrupted: a signal came; a checkpoint was saved.
    """
    began = time.perf_counter() - seconds
    size = run.config.low_res_size if epoch <= run.config.low_res_epochs else IMAGE_SIZE
    begin, end = (epoch - 1) * run.steps_per_epoch, epoch * run.steps_per_epoch
    for done in range(int(state.step) + 1, end + 1):
        batch = shard_batch(next(run.batches), run.mesh)
        state = settle(run.take_step(state, batch, run.class_weights, run.key, run.teachers, size=size))
        looks = done == end or done % REPORT_EVERY == 0
        if looks:
            means = _means_if_finite(state.metrics, run.workdir)
            speed = (done - begin) * run.config.batch_size / (time.perf_counter() - began)
            run.reporter.advance(done, epoch, means, speed)
        if done < end and _asked_to_stop(stop, looks):
            _means_if_finite(state.metrics, run.workdir)  # a state that is not is never saved
            _save(run, state, time.perf_counter() - began)
            raise Interrupted(stop.signum, done)
    seconds = time.perf_counter() - began
    return state, {
        "epoch": epoch,
        "step": end,
        "split": "train",
        **_means_if_finite(state.metrics, run.workdir),
        "learning_rate": float(np.asarray(run.schedule(end - 1))),
        "seconds": round(seconds, 3),
        "images_per_second": round(run.steps_per_epoch * run.config.batch_size / seconds, 1),
    }


def _evaluate(run: _Run, state: TrainState, epoch: int) -> dict[str, Any]:
    """The record of an epoch's averaged weights on the validation split."""
    began = time.perf_counter()
    rows = process_rows(run.config.eval_batch_size)
    metrics = Metrics.zeros()
    for batch in evaluation_batches(run.validation_split, run.config.eval_batch_size):
        mine = {name: np.asarray(array)[rows] for name, array in batch.items()}
        metrics = metrics.merge(settle(run.evaluate_batch(state, shard_batch(mine, run.mesh))))
    return {
        "epoch": epoch,
        "step": epoch * run.steps_per_epoch,
        "split": "validation",
        **metrics.compute(),
        "seconds": round(time.perf_counter() - began, 3),
    }


def _keep(run: _Run, state: TrainState, records: Sequence[dict[str, Any]], improved: bool) -> None:
    """Keep an epoch's records, and its weights if they are the best so far, for the next checkpoint."""
    if jax.process_index():
        return
    run.unsaved.records.extend(records)
    if improved:
        # A copy on the host: the next step takes the memory of the state.
        run.unsaved.best = records[-1]["step"], jax.tree.map(np.array, state.ema)


def _save(run: _Run, state: TrainState, seconds: float = 0.0) -> None:
    """Save the state, and what the epochs since the last checkpoint have left, in the first process.

    The best weights of an earlier epoch come before the state, those of the state itself after it, the records last:
    whatever is missing after a kill in between is restored from the checkpoint, or the run resumes before it all.
    """
    if jax.process_index():
        return
    unsaved, step = run.unsaved, int(state.step)
    if unsaved.best and unsaved.best[0] != step:
        save_best(run.workdir, *unsaved.best)
        unsaved.best = None
    save_newest(run.workdir, state, seconds, unsaved.records)
    if unsaved.best:
        save_best(run.workdir, *unsaved.best)
        unsaved.best = None
    for record in unsaved.records:
        append_record(run.workdir / METRICS_FILE, record)
        if run.on_record:
            run.on_record(record)
    unsaved.records.clear()
    unsaved.saved_at = time.perf_counter()


def _resume(workdir: Path, state: TrainState, first: bool) -> tuple[TrainState, float, tuple[float, float]]:
    """The newest saved state or the given one, the seconds that its epoch took so far, and the best `rank` so far.

    The first process decides for all, and alone has seconds and rank.
    """
    seconds, best = 0.0, NO_EPOCH
    if first:
        state, seconds, last = restore_newest(workdir, state) or (state, seconds, ())
        records = keep_records_until(workdir / METRICS_FILE, int(state.step), last)
        best = reconcile_best(workdir, state, records)
    if jax.process_count() > 1:
        state = multihost_utils.broadcast_one_to_all(state)
    return state, seconds, best


def _asked_to_stop(stop: StopRequest, agree: bool) -> bool:
    """Whether to stop now; several processes stop only where they `agree`, so that none waits for another for ever."""
    if jax.process_count() == 1:
        return bool(stop)
    if not agree:
        return False
    asked = int(np.max(multihost_utils.process_allgather(jnp.asarray(stop.signum))))
    stop.signum = asked
    return bool(asked)


def _means_if_finite(metrics: Metrics, workdir: Path) -> dict[str, float]:
    bad_step = int(metrics.first_bad_step)
    if bad_step != NEVER:
        saved = max(finished_steps(workdir / NEWEST), default=None)
        kept = "No checkpoint was saved before" if saved is None else f"The checkpoint of step {saved} is kept"
        raise DivergenceError(
            f"{workdir}: the loss or a gradient is not finite at step {bad_step}. {kept}. Lower learning_rate, or set"
            " clip_norm"
        )
    return metrics.compute()
