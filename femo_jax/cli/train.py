"""`femo train CONFIG --data P --workdir W [overrides]`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_origin

import jax
import tyro
from rich.console import Console
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from femo_jax.cli.console import say
from femo_jax.data.splits import Split
from femo_jax.errors import ConfigError
from femo_jax.ops import Ops
from femo_jax.train.config import RENAMED, TrainConfig, current_name, load_config
from femo_jax.train.devices import keep_freed_memory

_registry = ConstructorRegistry()


@dataclass(frozen=True)
class Distributed:
    """Several processes, on one machine or many, that train one network together."""

    coordinator: str | None = None
    """Address of the first process, host:port."""
    num_processes: int = 1
    """How many processes take part."""
    process_id: int = 0
    """Number of this process, from 0."""


@dataclass(frozen=True)
class RunOptions:
    """How runs are carried out, whatever they are to compute."""

    data: str
    """FER-2013 in any of its forms (csv, tar.gz, zip, folder), a folder of `femo data prepare`, or `drawn`."""
    cpu_devices: int = 1
    """Devices to split the CPU into. With XLA two train faster than one on two cores; oneDNN has one use them all."""
    ops: Ops = "auto"
    """What carries out convolution, BatchNorm and pooling: XLA, or oneDNN on a CPU, where it is faster; auto takes
    oneDNN where it can. Runs agree up to rounding."""


@dataclass(frozen=True)
class Options(RunOptions):
    """Trains a network; started again with the same workdir, it goes on where it was broken off."""

    workdir: Path | None = None
    """Run folder for metrics, checkpoints and figures; by default runs/ and the name of the configuration."""
    tensorboard: bool = False
    """Also write TensorBoard event files to the workdir."""
    distributed: Distributed = field(default_factory=Distributed)
    config: Annotated[TrainConfig, tyro.conf.arg(name="")] = field(default_factory=TrainConfig)


def main(argv: list[str]) -> int:
    """Runs `femo train`; 0 when all epochs are done, 128 + signal when it was stopped by one."""
    path, overrides = _split_config([_current_option(word) for word in argv])
    default = Options(data=tyro.MISSING, config=load_config(path) if path else TrainConfig())
    with _registry:
        options = tyro.cli(
            Options,
            prog="femo train CONFIG",
            description=f"{Options.__doc__} CONFIG: a packaged configuration, such as femonet-small, or a Python file.",
            args=overrides,
            default=default,
        )
    if path is None:
        raise ConfigError("no configuration: expected `femo train CONFIG ...`, such as `femo train femonet-small`")
    return _run(options, options.workdir or Path("runs") / path.stem)


def _split_config(argv: list[str]) -> tuple[Path | None, list[str]]:
    """The leading positional argument, which decides the defaults of all others."""
    if argv and not argv[0].startswith("-"):
        return Path(argv[0]), argv[1:]
    return None, argv


def _current_option(word: str) -> str:
    """An option by today's name of its field."""
    if not word.startswith("--"):
        return word
    option, equals, value = word.removeprefix("--").partition("=")
    field = option.replace("-", "_")
    return f"--{current_name(field).replace('_', '-')}{equals}{value}" if field in RENAMED else word


@_registry.primitive_rule
def _json_object(type_info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """Mappings, of which each network has its own, come as one JSON object."""
    if get_origin(type_info.type) is not Mapping:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="JSON",
        instance_from_str=lambda words: json.loads(words[0]),
        is_instance=lambda value: isinstance(value, Mapping),
        str_from_instance=lambda value: [json.dumps(value)],
    )


def _run(options: Options, workdir: Path) -> int:
    prepare_devices(options.cpu_devices)
    group = options.distributed
    if group.coordinator:
        jax.distributed.initialize(group.coordinator, group.num_processes, group.process_id)

    # After jax.distributed: these start the backend. TensorFlow comes with the data.
    from femo_jax.data.load import load_split
    from femo_jax.train.loop import Interrupted

    train_split, validation_split = load_split(options.data, "train"), load_split(options.data, "validation")
    try:
        train_run(options.config, workdir, train_split, validation_split, options.ops, options.tensorboard)
    except Interrupted as interrupted:
        say(str(interrupted))
        return 128 + interrupted.signum
    return 0


def prepare_devices(cpu_devices: int) -> None:
    """Settles what has to be settled before JAX starts its backend."""
    keep_freed_memory()
    jax.config.update("jax_num_cpu_devices", cpu_devices)


def train_run(
    config: TrainConfig,
    workdir: Path,
    train_split: Split,
    validation_split: Split,
    ops: Ops,
    tensorboard: bool = False,
) -> None:
    """Trains one run to its end, telling of it on the console, and writes its report; errors as of `train`."""
    from femo_jax.evaluate.run_report import write_run_report
    from femo_jax.figures.report import draw_run
    from femo_jax.train.loop import train
    from femo_jax.train.progress import ConsoleReporter, SilentReporter
    from femo_jax.train.tensorboard import record_writer

    first = jax.process_index() == 0
    console = Console()
    reporter = ConsoleReporter(console, config.epochs) if first else SilentReporter()
    with record_writer(workdir if tensorboard and first else None) as on_record:
        train(config, workdir, train_split, validation_split, reporter, on_record, ops)
    if first:
        for file in (*write_run_report(workdir, train_split, validation_split), *draw_run(workdir)):
            console.print(f"wrote {file}", highlight=False, soft_wrap=True)
