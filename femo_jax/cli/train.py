"""`femo train CONFIG --data DATA [--workdir FOLDER] [--FIELD VALUE ...]`."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_origin

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from femo_jax.cli.arguments import Count, Data, check_folder
from femo_jax.cli.console import error_console, note
from femo_jax.cli.parsing import parse
from femo_jax.configs import resolve_config
from femo_jax.data.pipeline import Loader
from femo_jax.errors import ConfigError
from femo_jax.ops import Ops
from femo_jax.train.config import RENAMED, TrainConfig, load_config
from femo_jax.train.fields import closest, is_flag, override

_registry = ConstructorRegistry()


@dataclass(frozen=True)
class Distributed:
    """Several processes, on one machine or many, that train one network together."""

    coordinator: str | None = None
    """Address of the first process, host:port."""
    num_processes: int = 1
    """Number of processes."""
    process_id: int = 0
    """Number of this process, from 0."""


@dataclass(frozen=True)
class RunOptions:
    """How runs are carried out, whatever they compute."""

    data: Data
    cpu_devices: Count = 1
    """Number of devices to split the CPU into. With XLA, two train faster than one on two cores; oneDNN uses all cores
    with one device."""
    ops: Ops = "auto"
    """Kernel backend of convolution, BatchNorm and pooling: XLA, or oneDNN on a CPU, which is faster; auto takes oneDNN
    where it is available. Metrics agree up to rounding."""
    loader: Loader = "auto"
    """What loads training batches: tf.data, or NumPy, which needs no TensorFlow. Both give the same batches; auto takes
    tf.data where TensorFlow is installed."""

    def __post_init__(self) -> None:
        """Raises ConfigError for a number of devices below 1."""
        if self.cpu_devices < 1:
            raise ConfigError(f"--cpu-devices is {self.cpu_devices}: expected at least 1")


@dataclass(frozen=True)
class TrainOptions(RunOptions):
    """Train a network. The same command resumes a run that was stopped."""

    workdir: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Run folder for metrics, checkpoints and figures; by default runs/CONFIG."""
    restart: bool = False
    """Delete the run in the workdir and start again."""
    tensorboard: bool = False
    """Also write TensorBoard event files to the workdir."""
    distributed: Distributed = field(default_factory=Distributed)


@dataclass(frozen=True)
class Options(TrainOptions):
    """What `femo train --help` lists: the options of a run, and each field of the configuration."""

    config: Annotated[TrainConfig, tyro.conf.arg(name="")] = field(default_factory=TrainConfig)


class _Words(NamedTuple):
    """A command line: the configuration, the options of the run, and new values of the configuration's fields."""

    configs: list[str]
    options: list[str]
    changes: dict[str, str]


def main(argv: list[str]) -> int:
    """Runs `femo train`; 0 when all epochs are done, 128 + signal when it was stopped by one."""
    words = split_words(argv)
    if len(words.configs) > 1:
        raise ConfigError(f"expected one configuration, found {' and '.join(words.configs)}")
    config = load_config(words.configs[0]) if words.configs else TrainConfig()
    if {"-h", "--help"} & set(words.options):
        _parse(Options, ["--help"], Options(data=tyro.MISSING, config=override(config, words.changes)))
    if not words.configs:
        raise ConfigError("no configuration: expected `femo train CONFIG ...`, such as `femo train femonet-small`")
    options = _parse(TrainOptions, words.options)
    workdir = options.workdir or Path("runs") / resolve_config(words.configs[0]).stem
    check_folder("--workdir", workdir)
    return _run(override(config, words.changes), options, workdir)


def split_words(argv: list[str]) -> _Words:
    """Sorts the words of a command line, in whatever order they come.

    Every option takes one value, but for flags: `--FLAG`, `--no-FLAG`, or `--FLAG true|false`.
    """
    words = _Words([], [], {})
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            words.configs.append(word)
            continue
        option, equals, value = word.partition("=")
        name = option.lstrip("-").replace("-", "_")
        has_value = bool(rest) and not rest[0].startswith("--")
        if name in ("h", "help", *_FLAGS, *(f"no_{flag}" for flag in _FLAGS)):
            words.options.append(word)
        elif name in _RUN_OPTIONS:
            words.options.extend([word] if equals or not has_value else [word, rest.pop(0)])
        else:
            field, value = _change(name, value if equals else None, rest if has_value else [])
            if field in words.changes:
                raise ConfigError(f"{option}: given twice")
            words.changes[field] = value
    return words


def _change(name: str, value: str | None, rest: list[str]) -> tuple[str, str]:
    """The field that an option sets and its value, which is taken from the words that follow if need be."""
    *groups, last = name.split(".")
    positive = ".".join([*groups, last.removeprefix("no_")])
    default = TrainConfig()
    _check_option(positive if is_flag(default, positive) else name)
    if value is None and positive != name and is_flag(default, positive):
        return positive, "false"
    if value is None and is_flag(default, name) and not (rest and rest[0].lower() in ("true", "false")):
        return name, "true"
    if value is None and not rest:
        raise ConfigError(f"{_option(name)}: expected a value")
    return name, rest.pop(0) if value is None else value


def _check_option(name: str) -> None:
    """Raises ConfigError for an option that neither the run nor the configuration has."""
    config = TrainConfig()
    fields = [field.name for field in dataclasses.fields(config)]
    fields += [f"augmentation.{field.name}" for field in dataclasses.fields(config.augmentation)]
    if name in fields or name in RENAMED or name.startswith("model_options."):  # `override` checks the network's
        return
    best = closest(name, [*fields, *_FLAGS, *_RUN_OPTIONS, "quiet", "help"])
    hint = f"Did you mean {_option(best)}? " if best else ""
    raise ConfigError(f"unknown option {_option(name)}. {hint}`femo train CONFIG --help` lists the options")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


_FLAGS = ("restart", "tensorboard")
_RUN_OPTIONS = (
    *("data", "cpu_devices", "ops", "loader", "workdir"),
    *(f"distributed.{name}" for name in ("coordinator", "num_processes", "process_id")),
)


def _parse(kind: Any, words: list[str], default: Any = None) -> Any:
    description = (
        f"{TrainOptions.__doc__}\n\nCONFIG is a packaged configuration or a Python file that defines one."
        "\n\nExample: femo train femonet-small --data fer2013.zip --epochs 20"
    )
    with _registry:
        return parse(kind, "femo train CONFIG", words, description=description, default=default)


@_registry.primitive_rule
def _json(type_info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """How the help shows mappings and tuples of a configuration, which `override` reads as JSON."""
    if get_origin(type_info.type) not in (Mapping, tuple):
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="JSON",
        instance_from_str=lambda words: json.loads(words[0]),
        is_instance=lambda value: isinstance(value, Mapping | tuple),
        str_from_instance=lambda value: [json.dumps(value)],
    )


def _run(config: TrainConfig, options: TrainOptions, workdir: Path) -> int:
    import jax

    from femo_jax.train.devices import prepare_devices

    prepare_devices(options.cpu_devices)
    group = options.distributed
    if group.coordinator:
        jax.distributed.initialize(group.coordinator, group.num_processes, group.process_id)

    # After jax.distributed: these start the backend.
    from femo_jax.data.load import load_split
    from femo_jax.runs import train_run
    from femo_jax.train.loop import Interrupted

    train_split, validation_split = load_split(options.data, "train"), load_split(options.data, "validation")
    try:
        train_run(
            config,
            workdir,
            train_split,
            validation_split,
            ops=options.ops,
            loader=options.loader,
            tensorboard=options.tensorboard,
            restart=options.restart,
            console=error_console(),
        )
    except Interrupted as interrupted:
        note(str(interrupted))
        return 128 + interrupted.signum
    return 0
