"""`femo distill CONFIG --data DATA [--teacher-config CONFIG] [--teacher-seeds 0 1 2] [--seeds 0]`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from femo_jax.cli.parsing import parse
from femo_jax.cli.sweep import carry_out
from femo_jax.cli.train import RunOptions
from femo_jax.configs import resolve_config
from femo_jax.train.config import load_config


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
    workdir: Annotated[Path, arg(metavar="FOLDER")] = Path("runs/distill")
    """Folder of all runs: a run folder CONFIG/seedK for each, and sweep.md, sweep.json, sweep.png."""


def main(argv: list[str]) -> int:
    """Runs `femo distill`.

    Returns:
      0 when all runs are finished, 1 when a student diverged, 128 + signal when it was stopped by one.
    """
    options = parse(Options, "femo distill", argv)
    student, teacher = (
        (resolve_config(path).stem, load_config(path)) for path in (options.config, options.teacher_config)
    )

    def begin(*splits: Any, **how: Any) -> Iterator[Path]:
        from femo_jax.runs import train_distilled

        seeds = {"seeds": options.seeds, "teacher_seeds": options.teacher_seeds}
        return train_distilled(student, teacher, options.workdir, *splits, **seeds, **how)

    return carry_out(options, options.workdir, begin)
