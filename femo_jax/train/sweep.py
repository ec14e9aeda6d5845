"""A sweep: its grid, and the runs of the grid in order."""

import dataclasses
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from femo_jax.data.pipeline import steps_per_epoch
from femo_jax.data.splits import Split
from femo_jax.errors import ConfigError, FemoError
from femo_jax.model_file import LoadedModel
from femo_jax.ops import Ops, choose
from femo_jax.train.config import TrainConfig
from femo_jax.train.devices import check_divides, data_mesh
from femo_jax.train.fields import current_name, override
from femo_jax.train.preflight import check_network
from femo_jax.train.targets import check_targets
from femo_jax.train.teachers import teacher_function

_LONGEST_LABEL = 200  # of the 255 bytes of a file name


class Run(NamedTuple):
    """One training of a sweep.

    Attributes:
      label: name of its configuration: `femonet,label_smoothing=0.1`.
      config: its configuration, seed included.
    """

    label: str
    config: TrainConfig

    @property
    def folder(self) -> Path:
        """Its run folder, in that of the sweep."""
        return Path(self.label) / f"seed{self.config.seed}"


def parse_grid(items: Iterable[str]) -> dict[str, list[str]]:
    """The values, still as text, of each field: `["dropout=0.1,0.2"]` -> `{"dropout": ["0.1", "0.2"]}`.

    Commas inside of brackets and quotes do not divide: `model_options.widths=[24,48],[48,96]` are two values.

    Raises:
      ConfigError: an item is not FIELD=V1,V2, or a field comes twice.
    """
    grid: dict[str, list[str]] = {}
    for item in items:
        field, _, text = item.partition("=")
        values = _divide(text)
        if not field or not all(values):
            raise ConfigError(f"--grid {item}: expected FIELD=V1,V2, such as label_smoothing=0,0.1")
        if field in grid:
            raise ConfigError(f"--grid {field}: given twice. Name all its values in one item: {field}=V1,V2")
        grid[field] = values
    return grid


def _divide(text: str) -> list[str]:
    parts, depth, quoted = [""], 0, False
    for character in text:
        quoted ^= character == '"'
        if not quoted:
            depth += (character in "[{") - (character in "]}")
        if character == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def expand(
    configs: Sequence[tuple[str, TrainConfig]], grid: Mapping[str, Sequence[str]], seeds: Sequence[int]
) -> list[Run]:
    """All runs: each configuration with each combination of the grid's values and each seed.

    The first seed of all of them comes first, so that a table of all of them is complete as early as possible.

    Args:
      configs: names with configurations; the seeds of these do not count.
      grid: values, as text, of dotted fields, see `override`.
      seeds: of each configuration.

    Raises:
      ConfigError: a field or value is unknown or out of range, or two runs would share a folder.
    """
    if not configs or not seeds:
        raise ConfigError("nothing to train: expected at least one configuration and one seed")
    grid = {current_name(field, TrainConfig.RENAMED): values for field, values in grid.items()}
    if "seed" in grid:
        raise ConfigError("--grid seed: seeds are no part of the grid, their mean is taken. Use --seeds 0 1 2")
    runs = []
    for seed, (name, config), values in itertools.product(seeds, configs, itertools.product(*grid.values())):
        changed = override(dataclasses.replace(config, seed=seed), dict(zip(grid, values, strict=True)))
        words = [_word(name), *(f"{field}={_word(_look_up(changed, field))}" for field in grid)]
        runs.append(Run(",".join(words), changed))
    folders = [run.folder for run in runs]
    for run in runs:
        if folders.count(run.folder) > 1:
            raise ConfigError(
                f"{run.folder}: two runs would have this folder. Name each value, seed and file name once"
            )
        if len(run.label) > _LONGEST_LABEL:
            raise ConfigError(f"{run.label}: too long to name a folder. Set some of it in the configuration's file")
    return runs


def _look_up(config: TrainConfig, field: str) -> Any:
    value: Any = config
    for name in field.split("."):
        value = value[name] if isinstance(value, Mapping) else getattr(value, name)
    return value


def _word(value: Any) -> str:
    """A value in characters that are safe in a file name and in a shell; 15 and 15.0 are one."""
    text = value if isinstance(value, str) else json.dumps(value)
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", text.removesuffix(".0") if isinstance(value, float) else text).strip("_")


def check_run(run: Run, ops: Ops, train_split: Split, teachers: Sequence[LoadedModel] = ()) -> None:
    """Checks, without training, that a run can begin.

    Args:
      run: of a sweep.
      ops: kernel backend, see `femo_jax.ops`.
      train_split: images to fit.
      teachers: of `femo_jax.train.teachers.load_teachers`.

    Raises:
      ConfigError: the batches do not fit the devices or the data, the network cannot be built or takes no images of
        `low_res_size`, `ops` is not available, or the votes or soft labels are not.
    """
    config, mesh = run.config, data_mesh()
    try:
        check_divides(config.batch_size, mesh, "batch_size")
        check_divides(config.eval_batch_size, mesh, "eval_batch_size")
        choice = choose(ops, config.dtype)
        steps_per_epoch(len(train_split.labels), config.batch_size)
        check_targets(train_split, config)
        names = train_split.class_names
        check_network(config, len(names), [teacher_function(teacher, names, choice) for teacher in teachers])
    except FemoError as error:
        raise ConfigError(f"{run.label}: {error}") from error
