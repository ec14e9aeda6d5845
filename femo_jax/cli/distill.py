"""`femo distill CONFIG --data DATA [--teacher-config CONFIG] [--seeds 0] [--grid epochs=60]`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, UseAppendAction, arg

from femo_jax.cli.parsing import parse
from femo_jax.cli.sweep import carry_out
from femo_jax.cli.train import RunOptions
from femo_jax.configs import resolve_config
from femo_jax.train.config import load_config
from femo_jax.train.sweep import parse_grid


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """Train teachers, then a student from them, on the student's own augmented and mixed view of each image.

    The same command resumes where it was stopped; finished runs are not trained again.

    Example: femo distill femonet-small-consistent --data fer2013.zip --teacher-seeds 0 1 2
    """

    config: Annotated[Positional[Path], arg(metavar="CONFIG", help_behavior_hint="")]
    """Configuration of the student: a packaged one or a Python file. Its teachers are replaced."""
    teacher_config: Annotated[Path, arg(metavar="CONFIG")] = Path("teacher")
    """Configuration of the teachers."""
    teacher_seeds: Annotated[tuple[int, ...], arg(metavar="N [N ...]")] = (0, 1, 2)
    """Seeds of the teachers, one network each; their probabilities are averaged."""
    seeds: Annotated[tuple[int, ...], arg(metavar="N [N ...]")] = (0,)
    """Seeds of the student, each from all teachers."""
    grid: Annotated[UseAppendAction[tuple[tuple[str, ...], ...]], arg(metavar="FIELD=V1,V2")] = ()
    """Values of the student's fields, such as epochs=60 or learning_rate=0.01,0.02; each combination is a student."""
    teacher_grid: Annotated[UseAppendAction[tuple[tuple[str, ...], ...]], arg(metavar="FIELD=V1,V2")] = ()
    """Values of the teachers' fields, such as epochs=30; all combinations teach together."""
    workdir: Annotated[Path, arg(metavar="FOLDER")] = Path("runs/distill")
    """Folder of all runs: a run folder CONFIG,FIELD=VALUE/seedK for each, and sweep.md, sweep.json, sweep.png."""


def main(argv: list[str]) -> int:
    """Runs `femo distill`.

    Returns:
      0 when all runs are finished, 1 when a student diverged, 128 + signal when it was stopped by one.
    """
    options = parse(Options, "femo distill", argv)
    student, teacher = (
        (resolve_config(path).stem, load_config(path)) for path in (options.config, options.teacher_config)
    )
    how = {
        "seeds": options.seeds,
        "teacher_seeds": options.teacher_seeds,
        "grid": parse_grid(item for items in options.grid for item in items),
        "teacher_grid": parse_grid(item for items in options.teacher_grid for item in items),
    }

    def begin(*splits: Any, **more: Any) -> Iterator[Path]:
        from femo_jax.runs import train_distilled

        return train_distilled(student, teacher, options.workdir, *splits, **how, **more)

    return carry_out(options, options.workdir, begin)
