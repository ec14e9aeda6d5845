"""The command `femo`: dispatches to one module per subcommand, which is imported when it is needed."""

import importlib
import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Union

from rich.console import Console

from femo_jax import __version__
from femo_jax.cli.console import WarningHandler, print_result, quietly, warn
from femo_jax.cli.stand_ins import imported_for_help
from femo_jax.errors import FemoError, closest_hint
from femo_jax.files import cache_folder, can_be_written

COMMANDS = {
    "live": "recognise emotions in a camera, stream or video, with a preview",
    "serve": "serve a live view of a source as a web page, and an HTTP API",
    "predict": "recognise emotions in images: table, JSON, CSV, annotated copies",
    "explain": "draw what the network looks at: Grad-CAM, LayerCAM, Integrated Gradients",
    "train": "train a network from a configuration; a stopped run resumes",
    "sweep": "train a grid of configurations and seeds, and compare them",
    "distill": "train teachers, and a student from them on its own augmented view",
    "soft-labels": "write soft labels of trained networks, for knowledge distillation",
    "evaluate": "measure accuracy, calibration and robustness of a model",
    "benchmark": "compare models on data sets, with intervals: one table, JSON and figure",
    "plot": "draw the learning curves of runs, or the timeline of a frame log",
    "report": "report what happened in a clip or frame log: HTML page, tables, timeline",
    "export": "write a run or model as one file: safetensors, ONNX, StableHLO, LiteRT",
    "models": "list the shipped models and the architectures",
    "data": "prepare and audit data sets; download FER-2013",
}

EXAMPLES = (
    "femo live                                          # the camera; q quits",
    "femo predict holiday/*.jpg --json faces.json",
    "femo explain people.jpg -o explain.png",
    "femo evaluate default --data fer2013.zip",
    "femo train femonet-small --data fer2013.zip --workdir runs/small",
)

_DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python",
    "orbax": "orbax-checkpoint",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}
"""Packages of an index by the module that is imported, where the names differ."""

COMPLETION = "--print-completion"
_SHELLS = ("bash", "zsh", "fish", "tcsh")

_DEBIAN_PACKAGES = {
    "libGL.so.1": "libgl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libSM.so.6": "libsm6",
    "libXext.so.6": "libxext6",
    "libXrender.so.1": "libxrender1",
}


def main(argv: list[str] | None = None) -> int:
    """Runs a subcommand.

    Args:
      argv: the words after `femo`; those of the process by default.

    Returns:
      0 if it succeeded; 1 if part of it failed; 2 if an input cannot be used or a package is missing; 128 + signal if
      it was stopped by one.
    """
    arguments, quiet = _take_quiet(sys.argv[1:] if argv is None else argv)
    try:
        with quietly(quiet):
            try:
                return _run(arguments)
            finally:  # help ends in SystemExit
                if sys.stdout is not None:
                    sys.stdout.flush()  # here, where it is known what to do if that fails
    except FemoError as error:
        warn(str(error))
        return 2
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "femo_jax":
            raise
        package = error.name.split(".")[0]
        warn(f"{package} is not installed, which femo {arguments[0]} needs: pip install '{_provider(package)}'")
        return 2
    except ImportError as error:
        if (message := _missing_library(error)) is None:
            raise
        warn(message)
        return 2
    except (RuntimeError, AssertionError) as error:
        if (message := _environment_error(error)) is None:
            raise
        warn(message)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _abandon_output()  # whoever read it has enough
        return 141
    except OSError as error:
        if error.filename is None:
            _abandon_output()
            warn(f"the output could not be written ({error.strerror or error}). Make room or choose another file.")
        else:
            warn(f"{os.fsdecode(error.filename)}: {error.strerror}. Check the path and its permissions.")
        return 1


def _take_quiet(arguments: list[str]) -> tuple[list[str], bool]:
    """The arguments without `--quiet`, which every command takes, and whether it was among them."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept = [word for word in arguments[:end] if word != "--quiet"]
    return [*kept, *arguments[end:]], len(kept) < end


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        _print_usage(Console())
        return 0 if arguments else 2
    name, *rest = arguments
    if name == "--version":
        print_result(f"femo {__version__}")
        return 0
    if name == COMPLETION:
        return _print_completion(rest)
    if name not in COMMANDS:
        warn(f"no command {name!r}.{closest_hint(name, COMMANDS)} Choose one of {', '.join(COMMANDS)}")
        return 2
    # JAX reads it when it is imported: a network that was compiled once starts at once the next time.
    cache = cache_folder() / "xla"
    if can_be_written(cache):
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
    logging.basicConfig(level=logging.WARNING, handlers=[WarningHandler()])
    logging.getLogger("absl").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        end = rest.index("--") if "--" in rest else len(rest)
        if {"-h", "--help"}.isdisjoint(rest[:end]):
            return _module(name).main(rest)
        with imported_for_help(_module_name(name)) as module:
            return module.main(rest)


def _show_warning(message: Warning | str, *_: object) -> None:
    """Prints a warning as a line; one about damaged files of JAX's cache after they were removed."""
    repaired = None
    if "jax" in sys.modules:
        from femo_jax.live.compile_cache import repair

        repaired = repair(str(message))
    warn(repaired or f"warning: {message}")


def _module_name(command: str) -> str:
    return f"femo_jax.cli.{command.replace('-', '_')}"


def _module(command: str) -> ModuleType:
    return importlib.import_module(_module_name(command))


def _print_usage(console: Console) -> None:
    def line(text: str = "") -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    line("usage: femo COMMAND ...\n")
    line("Facial emotion recognition: recognise, explain, train, evaluate and export.\n")
    for name, purpose in COMMANDS.items():
        line(f"  {name:<13}{purpose}")
    line("\nfemo COMMAND --help lists the options of a command.")
    line("--quiet, with any command, leaves out all but results and errors.")
    line("Where an option takes a FILE to write, - is standard output; a clip and some formats need a file.\n")
    line("examples:")
    for example in EXAMPLES:
        line(f"  {example}")
    line("\nother options:")
    line("  --version                  print the version")
    line(f"  {COMPLETION} SHELL   print a completion script for {', '.join(_SHELLS)}; for bash:")
    line(f"                             femo {COMPLETION} bash > ~/.local/share/bash-completion/completions/femo")


def _print_completion(arguments: list[str]) -> int:
    """Prints a shell's completion script for `femo` with all subcommands."""
    if len(arguments) != 1 or arguments[0] not in _SHELLS:
        warn(f"{COMPLETION} takes one of {', '.join(_SHELLS)}")
        return 2
    import tyro

    interfaces = {name: _interface(_module(name)) for name in COMMANDS}
    try:
        tyro.extras.subcommand_cli_from_dict(interfaces, prog="femo", args=["--tyro-print-completion", *arguments])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def _interface(module: ModuleType) -> Any:
    """What tyro parses for a command: its `Options`, its function `run`, or the union of its `SUBCOMMANDS`."""
    subcommands: Mapping[str, Callable[..., Any]] | None = getattr(module, "SUBCOMMANDS", None)
    if subcommands is None:
        return getattr(module, "Options", None) or module.run
    from tyro.conf import subcommand

    return Union[tuple(Annotated[each, subcommand(name)] for name, each in subcommands.items())]  # noqa: UP007


def _provider(package: str) -> str:
    """What to install for an imported package: femo, with the extra that brings it if one does."""
    name = _DISTRIBUTIONS.get(package, package).lower()
    try:
        requirements = requires("femo-jax") or ()
    except PackageNotFoundError:  # femo runs from a folder where it was not installed
        requirements = ()
    for requirement in requirements:
        if re.split(r"[^\w.-]", requirement.lower(), maxsplit=1)[0].replace("_", "-") == name.replace("_", "-"):
            extra = re.search(r"extra == [\"'](\w+)[\"']", requirement)
            return f"femo-jax[{extra[1]}]" if extra else "femo-jax"
    return package


def _missing_library(error: ImportError) -> str | None:
    """What to do about a system library that an extension module lacks, as OpenCV does in slim containers."""
    found = re.match(r"(lib[\w.+-]+\.so[.\d]*): cannot open shared object file", str(error))
    if found is None:
        return None
    library = found[1]
    package = _DEBIAN_PACKAGES.get(library)
    remedy = f"On Debian and Ubuntu: apt-get install {package}. " if package else ""
    return (
        f"the system library {library} is missing. {remedy}Where no window is needed, OpenCV works without it:"
        " pip uninstall opencv-python && pip install opencv-python-headless"
    )


def _environment_error(error: RuntimeError | AssertionError) -> str | None:
    """What to do about a backend that JAX cannot start, or a user whose home folder is not known."""
    text = str(error).partition("\n")[0]
    # Where the platform is known and its devices are not there, some versions of JAX only assert that one started.
    frames = [] if error.__traceback__ is None else traceback.extract_tb(error.__traceback__)
    no_device = isinstance(error, AssertionError) and any(Path(one.filename).stem == "xla_bridge" for one in frames)
    if no_device or re.search(r"Unable to initialize backend|Unknown backend|No visible GPU devices", text):
        platforms = os.environ.get("JAX_PLATFORMS")
        asked = f"JAX_PLATFORMS={platforms}: " if platforms else ""
        why = text or "no such device"
        return f"{asked}JAX cannot start ({why}). Set JAX_PLATFORMS=cpu, or install JAX for your accelerator."
    if "home directory" in text:
        return f"{text} A path or FEMO_CACHE starts with ~: name the folder in full."
    return None


def _abandon_output() -> None:
    """Sends what is left of the standard output nowhere: Python would fail once more when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
