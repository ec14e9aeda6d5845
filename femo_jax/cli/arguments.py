"""Argument types and checks that all commands share: one metavar and one meaning for each kind of argument.

| metavar | type | value |
|---|---|---|
| MODEL | `Model`, `Models` | shipped name, model file or run folder |
| DATA | `Data` | FER-2013 in any form, a prepared folder, or `drawn` |
| RUN | `Runs` | run folder of `femo train` |
| IMAGE | `Images` | image file, folder or pattern |
| FILE | `OutputFile` | file to write; `-` is standard output |
| N | `Count` | whole number |
| MODULE | `Plugins` | Python file or module that registers a network |

A command's first docstring line is one sentence in the imperative, and an example follows it as a paragraph of its own:
`Example: femo COMMAND ...`. Its module imports only types at its head: OpenCV, TensorFlow, Optax, Orbax and matplotlib
are imported where they are used, so that `--help` needs none of them.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import tyro

from femo_jax.cli.console import STANDARD_OUTPUT, warn
from femo_jax.cli.parsing import default_hint
from femo_jax.errors import ConfigError
from femo_jax.files import check_outputs_are_not_inputs, printable

_MODEL_HELP = "Shipped model (default, small), model file, or run folder of `femo train`."
_DATA_HELP = "FER-2013 (csv, zip, tar.gz, folder or prepared folder), or `drawn` for synthetic faces."

Model = Annotated[str, tyro.conf.arg(metavar="MODEL", help=_MODEL_HELP)]
"""A model, for `femo_jax.weights.load_model`."""

Models = Annotated[
    tuple[str, ...],
    tyro.conf.Positional,
    tyro.conf.arg(metavar="MODEL [MODEL ...]", help=_MODEL_HELP, help_behavior_hint=""),
]
"""One or several models; use it for a positional argument."""

OptionalModel = Annotated[
    str | None,
    tyro.conf.arg(
        metavar="MODEL",
        help="Shipped model (default, small), model file (.onnx runs without JAX), or run folder of `femo train`.",
        help_behavior_hint="(default: default)",
    ),
]
"""A model, or None for the default one."""

Images = Annotated[
    tuple[str, ...],
    tyro.conf.Positional,
    tyro.conf.arg(
        metavar="IMAGE [IMAGE ...]",
        help="Files, folders, or patterns such as 'holiday/**/*.jpg'.",
        help_behavior_hint="",
    ),
]
"""Image files, folders and patterns."""

Data = Annotated[str, tyro.conf.arg(metavar="DATA", help=_DATA_HELP)]
"""A data set, for `femo_jax.data.load.load_split`."""

Runs = Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN [RUN ...]", help_behavior_hint="")]

OutputFile = Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint=default_hint)]
"""A file to write, or None; `-` is standard output."""

OptionalFile = OutputFile
"""A file to read, or None."""

OptionalFolder = Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint=default_hint)]
"""A folder, or None."""

Count = Annotated[int, tyro.conf.arg(metavar="N")]

_PLUGIN_HELP = (
    "Python file or module that registers the model's network, for one that is not part of femo. May be given several"
    " times."
)

Plugins = Annotated[
    tyro.conf.UseAppendAction[tuple[str, ...]],
    tyro.conf.arg(metavar="MODULE", help=_PLUGIN_HELP, help_behavior_hint=""),
]
"""Modules and files with networks, for `load_plugins`."""

PRIOR_HELP = (
    "How frequent the classes are where the model is used: everyday, uniform, training (probabilities as the model"
    " gives them), or probabilities such as neutral=0.4,happy=0.2, where the other classes share the rest."
)

PriorOption = Annotated[str, tyro.conf.arg(metavar="PRIOR", help=PRIOR_HELP)]
"""A prior, for `femo_jax.prior.parse_prior`."""

Flag = tyro.conf.FlagCreatePairsOff[bool]
"""A switch that is off unless it is given."""


def load_plugins(plugins: Iterable[str]) -> None:
    """Loads what `--plugin` names, before a model is.

    Raises:
      ConfigError: as `femo_jax.models.load_plugin`.
    """
    if plugins := list(plugins):
        from femo_jax.models import load_plugin  # imports JAX

        for plugin in plugins:
            load_plugin(plugin)


def check_outputs(
    outputs: Mapping[str, Path | None],
    *,
    folders: Collection[str] = (),
    inputs: Iterable[str | os.PathLike[str]] = (),
    model: str | os.PathLike[str] | None = None,
    data: str | os.PathLike[str] | None = None,
) -> None:
    """Checks that no output is one of a command's inputs, no two are the same file, and no folder stands for a file.

    Every command that writes files calls this before it reads or writes anything.

    Args:
      outputs: files and folders by the option that names each; None for an option that was not given.
      folders: the options among them that take a folder.
      inputs: files that the command reads, such as images and a config.
      model: the model, as `femo_jax.weights.load_model` takes it.
      data: the data set, as `femo_jax.data.load.load_split` takes it.

    Raises:
      ConfigError: two of them are the same file, also by another name; two outputs are standard output, or one that
        takes a folder is; a folder is named where a file is meant, or a file in place of a folder.
    """
    for option, path in outputs.items():
        if path is None:
            continue
        if option in folders:
            if path == STANDARD_OUTPUT:
                raise ConfigError(
                    f"{option} takes a folder; - is standard output, which holds one file. Name a folder."
                )
            check_folder(option, path)
        elif path != STANDARD_OUTPUT and path.is_dir():
            raise ConfigError(f"{printable(path)}: is a folder. {option} takes the name of a file.")
    to_stdout = [option for option, path in outputs.items() if path == STANDARD_OUTPUT]
    if len(to_stdout) > 1:
        raise ConfigError(f"{' and '.join(to_stdout)} both name the standard output (-). Give one of them a file.")
    if all(path is None or path == STANDARD_OUTPUT or not path.exists() for path in outputs.values()):
        inputs, model, data = (), None, None  # a file that does not exist yet is none that is read
    from_model = () if model is None else _model_files(model)
    from_data = () if data is None or data == "drawn" else _data_files(Path(data))
    check_outputs_are_not_inputs(outputs, (*inputs, *from_model, *from_data))


def check_folder(option: str, folder: Path) -> None:
    """Checks, without creating anything, that an output folder is one, or lies in one where it can be made.

    Raises:
      ConfigError: it, or one of the folders that it is said to lie in, is a file.
    """
    if folder == STANDARD_OUTPUT:
        raise ConfigError(f"{option} is -, standard output; expected a folder, such as runs/a.")
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise ConfigError(f"{printable(there)}: is a file. {option} takes a folder, which may be a new one.")


def _model_files(model: str | os.PathLike[str]) -> Iterator[Path]:
    from femo_jax.weights import resolve_model

    path = resolve_model(model)
    if not path.is_dir():
        yield path
        return
    yield from (path / name for name in ("config.json", "metrics.jsonl"))
    for folder in ("best", "checkpoints"):
        yield from (path / folder).rglob("*")


def _data_files(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir():
        yield from path.rglob("*")


DEPRECATED_DETECTOR_OPTIONS = {
    "--detector.smallest": "--detector.min-size",
    "--detector.largest": "--detector.max-size",
    "--detector.score": "--detector.score-threshold",
}
"""Names that options of the detector had, in every command that has them."""


def replace_deprecated(
    arguments: Sequence[str],
    options: Mapping[str, str],
    values: Mapping[str, Mapping[str, str]] | None = None,
) -> list[str]:
    """Arguments with the options and values of earlier releases replaced by today's, with a line about each.

    Args:
      arguments: the words after the command.
      options: today's name of an option by its old name, both with dashes.
      values: today's value by the old value, for each option by today's name.

    Returns:
      The arguments to parse.
    """
    replaced, option = [], ""
    for word in arguments:
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            option = name.replace("_", "-")
            if option in options:
                warn(f"{option} is deprecated; use {options[option]}")
                option = options[option]
                word = option + equals + value
            if equals and (new := _new_value(option, value, values)):
                word = f"{option}={new}"
        elif new := _new_value(option, word, values):
            word = new
        replaced.append(word)
    return replaced


def _new_value(option: str, value: str, values: Mapping[str, Mapping[str, str]] | None) -> str | None:
    new = (values or {}).get(option, {}).get(value)
    if new is not None:
        warn(f"{option} {value} is deprecated; use {option} {new}")
    return new
