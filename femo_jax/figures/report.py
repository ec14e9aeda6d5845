"""The figures of an evaluation and of a finished run."""

import json
import os
from pathlib import Path

import numpy as np

from femo_jax.errors import ConfigError
from femo_jax.evaluate.mistakes import COUNT, check_count, select_mistakes, sheet_title
from femo_jax.evaluate.run import Evaluation
from femo_jax.evaluate.run_report import REPORT_FILE
from femo_jax.figures.confident_errors import plot_mistakes
from femo_jax.figures.curves import plot_curves
from femo_jax.figures.evaluation import plot_confusion, plot_evaluation
from femo_jax.figures.robustness import plot_robustness
from femo_jax.figures.style import check_format
from femo_jax.files import check_writable

CURVES_FILE, CONFUSION_FILE = "curves.png", "confusion.png"


def corruptions_figure(figure: str | os.PathLike[str]) -> Path:
    """The file beside `figure` in which the corruptions are drawn: `report.png` -> `report-corruptions.png`."""
    path = Path(figure)
    return path.with_name(f"{path.stem}-corruptions{path.suffix}")


def check_figures(
    figure: str | os.PathLike[str] | None, mistakes: str | os.PathLike[str] | None, mistakes_count: int = COUNT
) -> None:
    """Makes sure that `draw_evaluation` can draw, for a caller about to evaluate.

    Raises:
      FemoError: a format is unknown, a file cannot be written, two are the same, or the count is out of range.
    """
    for path in (figure, mistakes):
        if path is not None:
            check_format(path)
            check_writable(path)
    if mistakes is not None:
        check_count(mistakes_count)
    if figure is not None and mistakes is not None and Path(mistakes) in (Path(figure), corruptions_figure(figure)):
        raise ConfigError(f"{mistakes}: is drawn twice; give the mistakes another file than the figure.")


def draw_evaluation(
    evaluation: Evaluation,
    figure: str | os.PathLike[str] | None = None,
    mistakes: str | os.PathLike[str] | None = None,
    mistakes_count: int = COUNT,
) -> list[Path]:
    """Draws an evaluation.

    Args:
      evaluation: of `femo_jax.evaluate.run.evaluate`.
      figure: where to draw confusion and reliability, or None. The accuracy under corruptions, where they were
        evaluated, is drawn in a file beside it, see `corruptions_figure`.
      mistakes: where to draw the wrong predictions with the highest confidence, or None.
      mistakes_count: how many of them.

    Returns:
      The files written.

    Raises:
      FemoError: as `check_figures`.
    """
    check_figures(figure, mistakes, mistakes_count)
    report, split, written = evaluation.report, evaluation.split, []
    if figure is not None:
        plot_evaluation(evaluation.probabilities, split.labels, figure, evaluation.title)
        written.append(Path(figure))
        if "robustness" in report:
            written.append(corruptions_figure(figure))
            plot_robustness(report["robustness"], written[-1], evaluation.title)
    if mistakes is not None:
        surest = select_mistakes(evaluation.probabilities, split.labels, split.votes, mistakes_count)
        wrong = report["n"] - int(np.trace(report["confusion"]))
        plot_mistakes(surest, split, mistakes, f"{evaluation.title}: {sheet_title(surest, wrong)}")
        written.append(Path(mistakes))
    return written


def draw_run(workdir: Path) -> list[Path]:
    """Draws a finished run from its metrics and its report: `curves.png` and `confusion.png`.

    Args:
      workdir: of a run with `femo_jax.evaluate.run_report.write_run_report`'s files.

    Returns:
      The files written.
    """
    curves, confusion = workdir / CURVES_FILE, workdir / CONFUSION_FILE
    report = json.loads((workdir / REPORT_FILE).read_text("utf-8"))
    plot_curves([workdir], curves)
    plot_confusion(report["confusion"], confusion, f"{report['architecture']} on {report['split']}")
    return [curves, confusion]
