"""The training loop: steps, an evaluation and a checkpoint each epoch, and going on where a run was broken off."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from femo_jax.data.pipeline import evaluation_batches, steps_per_epoch, train_batches
from femo_jax.data.splits import Split
from femo_jax.emotions import NUM_EMOTIONS
from femo_jax.errors import DivergenceError
from femo_jax.models import create_model
from femo_jax.ops import Ops, choose
from femo_jax.preprocess import IMAGE_SIZE
from femo_jax.signals import StopRequest, stop_request
from femo_jax.train.checkpoints import restore_newest, save_best, save_newest
from femo_jax.train.config import TrainConfig
from femo_jax.train.devices import check_divides, data_mesh, process_rows, replicate, settle, shard_batch
from femo_jax.train.losses import balanced_class_weights
from femo_jax.train.metric_log import METRICS_FILE, append_record, keep_records_until
from femo_jax.train.metrics import NEVER, Metrics
from femo_jax.train.network_check import check_network
from femo_jax.train.optimizer import create_optimizer, create_schedule
from femo_jax.train.progress import Reporter
from femo_jax.train.state import TrainState, create_train_state
from femo_jax.train.steps import eval_step, train_step
from femo_jax.train.targets import training_targets
from femo_jax.train.whitening import whiten_first_layer
from femo_jax.train.workdir import claim_workdir, describe_data

REPORT_EVERY = 20
"""Steps between two looks at the loss from outside the device."""


class Interrupted(Exception):
    """The run was asked to end and has saved a checkpoint; `signum` is the signal that asked."""

    def __init__(self, signum: int, step: int) -> None:
        super().__init__(f"stopped at step {step}; the same command goes on from there")
        self.signum = signum


def train(
    config: TrainConfig,
    workdir: Path,
    train_split: Split,
    validation_split: Split,
    reporter: Reporter,
    on_record: Callable[[dict[str, Any]], None] | None = None,
    ops: Ops = "auto",
) -> None:
    """Trains a network, or goes on with it, until `config.epochs` are done.

    Args:
      config: what to do.
      workdir: the run folder; a new one, or one of the same configuration and data, which is resumed.
      train_split: pictures to fit.
      validation_split: pictures by which the best epoch is chosen.
      reporter: what a person sees.
      on_record: called with each line of `metrics.jsonl`.
      ops: how the network's layers are carried out, see `femo_jax.ops`.

    Raises:
      ConfigError: the configuration does not fit the data, the devices or the run folder; or oneDNN was asked for and
        is not to be had.
      CheckpointError: a checkpoint cannot be read or written.
      DivergenceError: the loss or a gradient is not finite any more; the last good checkpoint is kept.
      Interrupted: SIGINT, SIGTERM or SIGHUP came; a checkpoint was saved.
    """
    mesh = data_mesh()
    check_divides(config.batch_size, mesh, "batch_size")
    check_divides(config.eval_batch_size, mesh, "eval_batch_size")
    first = jax.process_index() == 0
    per_epoch = steps_per_epoch(len(train_split.labels), config.batch_size)
    num_steps = config.epochs * per_epoch
    schedule = create_schedule(config, per_epoch)
    choice = choose(ops, config.dtype)
    check_network(config)
    reporter.say(f"layers by {choice.implementation} ({choice.reason})")
    model = create_model(config.model, ops=choice.implementation, **config.model_options)
    training_model = model if choice.dtype == "float32" else model.clone(dtype=jnp.dtype(choice.dtype))
    targets = training_targets(train_split, config)
    state = create_train_state(
        jax.random.key(config.seed),
        training_model,
        create_optimizer(config, schedule),
        answers=targets if config.self_distillation else None,
    )
    if config.whitening_init:
        state = whiten_first_layer(state, train_split.images)
    claim_workdir(workdir, config, describe_data(train_split, validation_split, config), choice, write=first)

    state, spent, records = _resume(workdir, state, first)
    if state.step:
        reporter.say(f"going on at step {int(state.step)} of {num_steps} in {workdir}")
    start_step = int(state.step)
    state = replicate(state, mesh)
    best = max((r["accuracy"] for r in records if r["split"] == "validation"), default=-1.0)

    class_weights = np.ones(NUM_EMOTIONS, np.float32)
    if config.class_weights == "balanced":
        class_weights = balanced_class_weights(train_split.labels)
    class_weights = replicate(class_weights, mesh)
    take_step = jax.jit(partial(train_step, config=config), donate_argnums=0, static_argnames="size")
    evaluate_batch = jax.jit(partial(eval_step, apply_fn=model.apply))
    batches = train_batches(
        train_split,
        targets,
        config.batch_size,
        seed=config.seed,
        start_step=start_step,
        num_steps=num_steps,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )

    with stop_request() as stop:
        reporter.start(start_step, num_steps)
        try:
            for epoch in range(start_step // per_epoch + 1, config.epochs + 1):
                began, spent = time.perf_counter() - spent, 0.0
                size = config.low_res_size if epoch <= config.low_res_epochs else IMAGE_SIZE
                steps = range(max(start_step, (epoch - 1) * per_epoch), epoch * per_epoch)
                for step in steps:
                    state = settle(take_step(state, shard_batch(next(batches), mesh), class_weights, size=size))
                    done = step + 1
                    epoch_ends = done == steps.stop
                    looks = epoch_ends or done % REPORT_EVERY == 0
                    if looks:
                        means = _means_if_finite(state.metrics, workdir)
                        speed = (done - steps.stop + per_epoch) * config.batch_size / (time.perf_counter() - began)
                        reporter.advance(done, epoch, means, speed)
                    if not epoch_ends and _asked_to_stop(stop, looks):
                        _means_if_finite(state.metrics, workdir)  # a state that is not is never saved
                        if first:
                            save_newest(workdir, state, time.perf_counter() - began)
                        raise Interrupted(stop.signum, done)

                seconds = time.perf_counter() - began
                train_record = {
                    "epoch": epoch,
                    "step": steps.stop,
                    "split": "train",
                    **_means_if_finite(state.metrics, workdir),
                    "learning_rate": float(np.asarray(schedule(steps.stop - 1))),
                    "seconds": round(seconds, 3),
                    "images_per_second": round(per_epoch * config.batch_size / seconds, 1),
                }
                began = time.perf_counter()
                means = _evaluate(evaluate_batch, state, validation_split, config.eval_batch_size, mesh)
                validation_record = {
                    "epoch": epoch,
                    "step": steps.stop,
                    "split": "validation",
                    **means,
                    "seconds": round(time.perf_counter() - began, 3),
                }
                improved = means["accuracy"] > best
                best = max(best, means["accuracy"])
                state = state.replace(metrics=replicate(Metrics.zeros(), mesh))
                if first:
                    for record in (train_record, validation_record):
                        append_record(workdir / METRICS_FILE, record)
                        if on_record:
                            on_record(record)
                    if improved:
                        save_best(workdir, state)
                    save_newest(workdir, state)
                reporter.epoch(train_record, validation_record, improved)
                if epoch < config.epochs and _asked_to_stop(stop, True):
                    raise Interrupted(stop.signum, steps.stop)
        finally:
            reporter.stop()


def _resume(workdir: Path, state: TrainState, first: bool) -> tuple[TrainState, float, list[dict[str, Any]]]:
    """The newest saved state, or the given one, the seconds that its epoch took so far, and the metric log up to it.

    The first process decides for all, and alone has the seconds and the log.
    """
    seconds, records = 0.0, []
    if first:
        state, seconds = restore_newest(workdir, state) or (state, seconds)
        records = keep_records_until(workdir / METRICS_FILE, int(state.step))
    if jax.process_count() > 1:
        state = multihost_utils.broadcast_one_to_all(state)
    return state, seconds, records


def _asked_to_stop(stop: StopRequest, agree: bool) -> bool:
    """Whether to end now; several processes do so only where they `agree`, so that none is left waiting for another."""
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
        raise DivergenceError(
            f"the loss or a gradient is not finite at step {bad_step}. The last checkpoint in {workdir} is from before"
            " it. Lower learning_rate, or set clip_norm"
        )
    return metrics.compute()


def _evaluate(
    evaluate_batch: Callable[..., Metrics], state: TrainState, split: Split, batch_size: int, mesh: Mesh
) -> dict[str, float]:
    rows = process_rows(batch_size)
    metrics = Metrics.zeros()
    for batch in evaluation_batches(split, batch_size):
        mine = {name: np.asarray(array)[rows] for name, array in batch.items()}
        metrics = metrics.merge(settle(evaluate_batch(state, shard_batch(mine, mesh))))
    return metrics.compute()
