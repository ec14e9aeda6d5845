"""Optional TensorBoard event files beside `metrics.jsonl`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from femo_jax.errors import ConfigError


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
