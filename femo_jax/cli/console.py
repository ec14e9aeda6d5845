"""How the command line gives its results, and how it talks to a person beside them: lines on the standard error."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from femo_jax.files import write_json

STANDARD_OUTPUT = Path("-")
"""What stands for the standard output in place of a file."""


def say(message: str) -> None:
    """Prints a line; where the standard error was redirected, that is where it goes."""
    Console(stderr=True).print(f"femo: {message}", highlight=False, markup=False, soft_wrap=True)


def give_json(path: Path | None, value: Any) -> None:
    """Writes `value` as JSON to `path`, or prints it where that is `-`; without a path it does nothing.

    Raises:
      FemoError: the file cannot be written.
      ValueError: `value` holds NaN.
    """
    if path == STANDARD_OUTPUT:
        print(json.dumps(value, indent=2, allow_nan=False))
    elif path is not None:
        write_json(path, value)


def say_written(*paths: Path | None) -> None:
    """Tells which files there are now; what was not asked for, and what was printed, is left out."""
    for path in paths:
        if path is not None and path != STANDARD_OUTPUT:
            say(f"written: {path}")


def make_room(console: Console, table: Table) -> int:
    """Widens a console that is no terminal until it holds a table whole; gives the width that the table wants."""
    width = Measurement.get(console, console.options.update(width=1000), table).maximum
    if not console.is_terminal:
        console.width = max(console.width, width)
    return width
