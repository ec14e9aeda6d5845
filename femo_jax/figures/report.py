"""The figures of an evaluation and of a finished run."""

import os
from pathlib import Path

import numpy as np

from femo_jax.errors import ConfigError
from femo_jax.evaluate.run import Evaluation, report_title
from femo_jax.evaluate.run_report import REPORT_FILE, read_report
from femo_jax.evaluate.top_errors import COUNT, check_count, select_top_errors, sheet_title
from femo_jax.figures.curves import plot_curves
from femo_jax.figures.evaluation import plot_confusion, plot_evaluation
from femo_jax.figures.robustness import plot_robustness
from femo_jax.figures.style import STANDARD_OUTPUT, check_format
from femo_jax.figures.top_errors import plot_top_errors
from femo_jax.files import check_writable

CURVES_FILE, CONFUSION_FILE = "curves.png", "confusion.png"


def corruptions_figure(figure: str | os.PathLike[str]) -> Path:
    """The file beside `figure` in which the corruptions are drawn: `report.png` -> `report-corruptions.png`."""
    path = Path(figure)
    return path.with_name(f"{path.stem}-corruptions{path.suffix}")


def check_figures(
    figure: str | os.PathLike[str] | None, top_errors: str | os.PathLike[str] | None, top_errors_count: int = COUNT
) -> None:
    """Checks that `draw_evaluation` can draw, for a caller about to evaluate.

    Raises:
      FemoError: a format is unknown, a file cannot be written, two are the same, or the count is out of range.
    """
    for path in (figure, top_errors):
        if path is not None:
            check_format(path)
            if os.fspath(path) != STANDARD_OUTPUT:
                check_writable(path)
    if top_errors is not None:
        check_count(top_errors_count)
    if figure is not None and top_errors is not None and Path(top_errors) in (Path(figure), corruptions_figure(figure)):
        raise ConfigError(f"{top_errors}: is drawn twice; give the most confident errors another file than the figure.")


def draw_evaluation(
    evaluation: Evaluation,
    figure: str | os.PathLike[str] | None = None,
    top_errors: str | os.PathLike[str] | None = None,
    top_errors_count: int = COUNT,
) -> list[Path]:
    """Draws an evaluation.

    Args:
      evaluation: of `femo_jax.evaluate.run.evaluate`.
      figure: where to draw confusion and reliability, or None. The accuracy under corruptions, where they were
        evaluated, is drawn in a file beside it, see `corruptions_figure`.
      top_errors: where to draw the wrong predictions with the highest confidence, or None.
      top_errors_count: how many of them.

    Returns:
      The files written.

    Raises:
      FemoError: as `check_figures`.
    """
    check_figures(figure, top_errors, top_errors_count)
    report, split, written = evaluation.report, evaluation.split, []
    if figure is not None:
        plot_evaluation(evaluation.probabilities, split.labels, split.class_names, figure, evaluation.title)
        written.append(Path(figure))
        if "robustness" in report:
            written.append(corruptions_figure(figure))
            plot_robustness(report["robustness"], written[-1], evaluation.title)
    if top_errors is not None:
        errors = select_top_errors(evaluation.probabilities, split, top_errors_count)
        wrong = report["n"] - int(np.trace(report["confusion"]))
        plot_top_errors(errors, split, top_errors, f"{evaluation.title}: {sheet_title(errors, wrong)}")
        written.append(Path(top_errors))
    return written


def draw_run(workdir: Path) -> list[Path]:
    """Draws a finished run from its metrics and its report: `curves.png` and `confusion.png`.

    Args:
      workdir: of a run with `femo_jax.evaluate.run_report.write_run_report`'s files.

    Returns:
      The files written.
    """
    curves, confusion = workdir / CURVES_FILE, workdir / CONFUSION_FILE
    report = read_report(workdir / REPORT_FILE)
    plot_curves([workdir], curves)
    plot_confusion(report["confusion"], list(report["per_class"]), confusion, report_title(report))
    return [curves, confusion]
