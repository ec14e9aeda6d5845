"""Progress of a run: a bar and one line per epoch on a console, and TensorBoard event files on request."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from femo_jax.errors import ConfigError


class Reporter(Protocol):
    """What the training loop reports."""

    def start(self, step: int, num_steps: int) -> None:
        """The run begins, or resumes, at `step` of `num_steps`."""

    def advance(self, step: int, epoch: int, means: dict[str, float], images_per_second: float) -> None:
        """`step` steps are done; `means` holds the epoch's loss and accuracy so far."""

    def epoch(self, train: dict[str, Any], validation: dict[str, Any], best: bool) -> None:
        """An epoch is over: its two records, and whether its weights are the best so far."""

    def report(self, message: str) -> None:
        """Anything else worth a line."""

    def stop(self) -> None:
        """The run has ended or was stopped."""


class ConsoleReporter:
    """Reports to a rich console; the bar shows on a terminal only."""

    def __init__(self, console: Console, epochs: int) -> None:
        self._console = console
        self._epochs = epochs
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("starting", state="", start=False)

    def start(self, step: int, num_steps: int) -> None:
        """Shows the bar."""
        self._progress.update(self._task, completed=step, total=num_steps)
        self._progress.start_task(self._task)
        self._progress.start()

    def advance(self, step: int, epoch: int, means: dict[str, float], images_per_second: float) -> None:
        """Moves the bar."""
        state = f"loss {means['loss']:.3f}  accuracy {means['accuracy']:.1%}  {images_per_second:,.0f} images/s"
        self._progress.update(self._task, completed=step, description=f"epoch {epoch}/{self._epochs}", state=state)

    def epoch(self, train: dict[str, Any], validation: dict[str, Any], best: bool) -> None:
        """Prints the epoch's line."""
        self._console.print(
            f"epoch {train['epoch']:>3}/{self._epochs}"
            f"  loss {train['loss']:.4f}  accuracy {train['accuracy']:.2%}"
            f"  validation loss {validation['loss']:.4f}  accuracy {validation['accuracy']:.2%}{'*' if best else ' '}"
            f"  {train['images_per_second']:,.0f} images/s  {train['seconds'] + validation['seconds']:.1f} s",
            highlight=False,
            soft_wrap=True,
        )

    def report(self, message: str) -> None:
        """Prints a line."""
        self._console.print(message, highlight=False, markup=False, soft_wrap=True)

    def stop(self) -> None:
        """Removes the bar."""
        self._progress.stop()


class SilentReporter:
    """Prints nothing: for the processes of a distributed run other than the first, and for tests."""

    def start(self, step: int, num_steps: int) -> None:
        """Prints nothing."""

    def advance(self, step: int, epoch: int, means: dict[str, float], images_per_second: float) -> None:
        """Prints nothing."""

    def epoch(self, train: dict[str, Any], validation: dict[str, Any], best: bool) -> None:
        """Prints nothing."""

    def report(self, message: str) -> None:
        """Prints nothing."""

    def stop(self) -> None:
        """Prints nothing."""


@contextmanager
def record_writer(workdir: Path | None) -> Iterator[Callable[[dict[str, Any]], None] | None]:
    """Yields a function that writes a record's numbers as scalars by epoch, or None where `workdir` is None.

    Raises:
      ConfigError: tensorboardX is not installed.
    """
    if workdir is None:
        yield None
        return
    try:
        from tensorboardX import SummaryWriter
    except ModuleNotFoundError as error:
        raise ConfigError("tensorboardX is not installed: pip install 'femo-jax[tensorboard]'") from error

    with SummaryWriter(str(workdir / "tensorboard")) as writer:

        def write(record: dict[str, Any]) -> None:
            for name, value in record.items():
                if isinstance(value, float):
                    writer.add_scalar(f"{record['split']}/{name}", value, record["epoch"])

        yield write
