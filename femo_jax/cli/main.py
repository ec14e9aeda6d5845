"""The command `femo`: hands over to one module a subcommand, which is imported only when it is asked for."""

import importlib
import logging
import os
import sys
import warnings

from rich.console import Console
from rich.table import Table

from femo_jax import __version__
from femo_jax.cli.console import say
from femo_jax.errors import FemoError
from femo_jax.files import cache_folder

COMMANDS = {
    "live": "emotions of the faces of a camera, a clip or pictures, as they come",
    "predict": "emotions of the faces in pictures: a table, JSON, csv, copies",
    "explain": "what the network looks at in a face: Grad-CAM, Integrated Gradients",
    "train": "train a network from a configuration",
    "soft-labels": "what trained networks say of the training pictures, for another to learn from",
    "sweep": "train a grid of configurations and compare them in one table and figure",
    "evaluate": "accuracy, calibration and confusion of a run or a model file",
    "plot": "curves of one or several runs in one figure",
    "export": "turn a run into one portable model file",
    "models": "list the networks with their sizes",
    "data": "prepare, download or audit FER-2013",
}


def main(argv: list[str] | None = None) -> int:
    """Runs a subcommand.

    Returns:
      2 where the user gave something that cannot be used, or femo lacks a package; 128 + signal where one stopped it.
    """
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help"):
        _print_usage(Console())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        Console().print(f"femo {__version__}", highlight=False)
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        say(f"no command {name!r}; there are {', '.join(COMMANDS)}")
        return 2
    # JAX reads it when it is imported: a network that was compiled once starts at once the next time.
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_folder() / "xla"))
    logging.basicConfig(level=logging.WARNING, format="femo: %(message)s")
    logging.getLogger("absl").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: say(f"warning: {message}")
            module = name.replace("-", "_")
            return importlib.import_module(f"femo_jax.cli.{module}").main(rest)
    except FemoError as error:
        say(str(error))
        return 2
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "femo_jax":
            raise
        say(f"{error.name} is not installed, which femo {name} needs: pip install 'femo-jax[train]'")
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read the output has enough of it; Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _print_usage(console: Console) -> None:
    console.print("usage: femo COMMAND ...     femo COMMAND --help says more\n", highlight=False, markup=False)
    table = Table(box=None, show_header=False, pad_edge=True)
    for name, purpose in COMMANDS.items():
        table.add_row(name, purpose)
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
