"""The one writer of console output: results on standard output; progress, notes and errors on standard error.

| output | function | standard | with `--quiet` |
|---|---|---|---|
| a result | `print_result`, `print_table`, `give_json`, `give_text` | output | printed |
| a file written, a summary, a hint | `wrote`, `note` | error | left out |
| progress | `status`, `error_console` | error | left out |
| an input that is skipped, a deprecation, a failure | `warn` | error | printed |

Control characters in file names, class names and the members of archives are printed escaped, so that they cannot
control the terminal.
"""

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.markup import escape
from rich.measure import Measurement
from rich.segment import Segment
from rich.status import Status
from rich.table import Table

from femo_jax.files import write_json, write_text

STANDARD_OUTPUT = Path("-")
"""What stands for the standard output in place of a file."""

_OPEN_STANDARD_OUTPUT = Path("/dev/stdout")

# C0 and C1 but for tab and newline, and what changes the direction of text.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")  # a byte of a file name that is not UTF-8

_quiet = False


@contextmanager
def quietly(quiet: bool = True) -> Iterator[None]:
    """Leaves out notes and progress while the block runs."""
    global _quiet
    before, _quiet = _quiet, quiet
    try:
        yield
    finally:
        _quiet = before


def escape_control(text: str) -> str:
    r"""`text` with control characters as `\x1b`, and with undecodable bytes of file names as `\udcff`."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _CONTROL.sub(lambda match: repr(match[0])[1:-1], text)


# Standard output


def print_result(text: str) -> None:
    """Prints text as a result."""
    print(escape_control(text))


def print_table(table: Table) -> None:
    """Prints a table as a result: whole, unless the output is a terminal too narrow for it."""
    console = Console()
    make_room(console, table)
    console.print(_Escaped(table))


def give_json(path: Path | None, value: Any) -> None:
    r"""Writes `value` as JSON to `path`, or prints it if `path` is `-`; without a path it does nothing.

    A byte of a file name that is not UTF-8 is written as `\xff`: no JSON parser but Python's takes a lone surrogate.

    Raises:
      FemoError: the file cannot be written.
      ValueError: `value` holds NaN.
    """
    value = _decodable(value)
    if path == STANDARD_OUTPUT:
        print(json.dumps(value, indent=2, allow_nan=False))
    elif path is not None:
        write_json(path, value)


def give_text(path: Path, text: str) -> None:
    """Writes text to `path`, or the same bytes to the standard output if `path` is `-`.

    Raises:
      FemoError: the file cannot be written.
    """
    if path == STANDARD_OUTPUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()
    else:
        write_text(path, text)


def as_file(path: Path) -> Path:
    """The file to write to in place of `path`: that which the standard output is if `path` is `-`."""
    return _OPEN_STANDARD_OUTPUT if path == STANDARD_OUTPUT else path


def _decodable(value: Any) -> Any:
    """`value` with strings that have a form in UTF-8."""
    if isinstance(value, Mapping):
        return {_decodable(key): _decodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_decodable(item) for item in value]
    return _SURROGATE.sub(lambda match: f"\\x{ord(match[0]) & 0xFF:02x}", value) if isinstance(value, str) else value


# Standard error


def note(message: str) -> None:
    """Prints a line for a person to read; with `--quiet` it is left out."""
    if not _quiet:
        warn(message)


def warn(message: str) -> None:
    """Prints a line that must be read, such as an error, also with `--quiet`."""
    Console(stderr=True).print(f"femo: {escape_control(message)}", highlight=False, markup=False, soft_wrap=True)


def wrote(*paths: Path | None, details: str = "") -> None:
    """Notes the files that a command wrote.

    Args:
      paths: None, for an option that was not given, and standard output are left out.
      details: about the file, such as its size; printed in parentheses.
    """
    for path in paths:
        if path is not None and path not in (STANDARD_OUTPUT, _OPEN_STANDARD_OUTPUT):
            note(f"wrote {path}" + (f" ({details})" if details else ""))


@contextmanager
def status(text: str) -> Iterator[Status]:
    """Shows what is being done while the block runs, on a terminal; `update` it with `escape`d text."""
    with error_console().status(escape(escape_control(text))) as shown:
        yield shown


def error_console() -> Console:
    """A console for progress bars: standard error, silent with `--quiet`."""
    return Console(stderr=True, quiet=_quiet)


class WarningHandler(logging.Handler):
    """Prints log records with `warn`."""

    def emit(self, record: logging.LogRecord) -> None:
        """Prints a record's message, without its traceback."""
        warn(record.getMessage())


# Layout


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 face`, `1,200 faces`: a number and its noun."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def make_room(console: Console, table: Table) -> int:
    """Widens a console that is no terminal until it holds a table whole; returns the width that the table wants."""
    width = Measurement.get(console, console.options.update(width=1000), table).maximum
    if not console.is_terminal:
        console.width = max(console.width, width)
    return width


class _Escaped:
    """A renderable whose text cannot control the terminal."""

    def __init__(self, inner: RenderableType) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._inner, options):
            yield segment if segment.control else Segment(escape_control(segment.text), segment.style)


say = warn
"""The former name of `warn`."""
