"""`femo evaluate`: how good a model is on a split."""

from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.table import Table

from femo_jax.evaluate.mistakes import COUNT
from femo_jax.evaluate.run import evaluate
from femo_jax.evaluate.views import ViewsName
from femo_jax.files import write_json


def run(
    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")],
    data: Annotated[str, tyro.conf.arg(metavar="PATH")],
    split: Literal["train", "validation", "test"] = "validation",
    views: ViewsName = "one",
    batch_size: int = 256,
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    figure: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    corruptions: tyro.conf.FlagCreatePairsOff[bool] = False,
    mistakes: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    mistakes_count: Annotated[int, tyro.conf.arg(metavar="N")] = COUNT,
) -> None:
    """Evaluates a model: accuracy with its 95 % interval, macro-F1, calibration, and a table by class.

    Choose models on validation; the test split is for the last word alone.

    Args:
      model: A shipped model by name (default, small), a model file, or a run folder, of which the best checkpoint is
        taken.
      data: FER-2013 as csv, zip, tar.gz, folder or prepared folder, or `drawn` for drawn stand-in faces.
      split: train, validation (PublicTest) or test (PrivateTest).
      views: Versions of each picture over which probabilities are averaged: one, with its mirror image, or ten crops.
      batch_size: Pictures computed at a time.
      json: Write the report here as json.
      figure: Draw confusion and reliability here (.png, .pdf or .svg); with --corruptions, bars of their accuracy in a
        file beside it, NAME-corruptions.
      corruptions: Also measure the accuracy on the pictures as a camera may show them: badly cropped, dark, blurred,
        noisy, small, partly covered. Takes as long as two dozen evaluations.
      mistakes: Draw the wrong predictions with the highest confidence here (.png, .pdf or .svg).
      mistakes_count: How many of them to draw.
    """
    if figure is not None or mistakes is not None:
        from femo_jax.figures.report import check_figures  # matplotlib only where a figure is drawn

        check_figures(figure, mistakes, mistakes_count)
    with Console(stderr=True).status("evaluating") as status:
        evaluation = evaluate(
            model,
            data,
            split,
            views,
            batch_size=batch_size,
            corruptions=corruptions,
            on_progress=lambda words: status.update(f"evaluating: {words}"),
        )
    print_report(evaluation.report, Console())
    written = []
    if json is not None:
        write_json(json, evaluation.report)
        written.append(json)
    if figure is not None or mistakes is not None:
        from femo_jax.figures.report import draw_evaluation

        written += draw_evaluation(evaluation, figure, mistakes, mistakes_count)
    for path in written:
        print(f"Written: {path}")


def print_report(report: dict[str, Any], console: Console) -> None:
    """Prints a report as two tables."""
    summary = Table(
        "measure", "value", title=f"{report['architecture']} on {report['split']}, views: {report['views']}"
    )
    summary.add_row("pictures", f"{report['n']:,}")
    summary.add_row("accuracy", _accuracy(report))
    unseen = report.get("unseen")
    if unseen is not None and unseen["n"] < report["n"]:
        summary.add_row(f"of the {unseen['n']:,} not in the training split", _accuracy(unseen))
    summary.add_row("macro-F1", f"{100 * report['macro_f1']:.2f} %")
    summary.add_row("negative log-likelihood", f"{report['nll']:.4f} nats")
    summary.add_row("expected calibration error", f"{100 * report['ece']:.2f} %")
    console.print(summary)

    by_class = Table("class", title="by class")
    for column in ("pictures", "precision", "recall", "F1", "most often taken for"):
        by_class.add_column(column, justify="right")
    for index, (label, values) in enumerate(report["per_class"].items()):
        shares = (f"{100 * values[key]:.1f} %" for key in ("precision", "recall", "f1"))
        by_class.add_row(label, f"{values['n']:,}", *shares, _likeliest_error(report, index))
    console.print(by_class)
    if "robustness" in report:
        console.print(_corruptions_table(report["robustness"]))


def _accuracy(figures: dict[str, Any]) -> str:
    low, high = figures["accuracy_interval"]
    return f"{100 * figures['accuracy']:.2f} %  (95 %: {100 * low:.2f} to {100 * high:.2f} %)"


def _corruptions_table(robustness: dict[str, Any]) -> Table:
    table = Table("faces", title="as a camera may show them")
    for column in ("accuracy", "difference", "macro-F1", "confidence", "ECE"):
        table.add_column(column, justify="right")
    for name, figures in {"clean": robustness["clean"], **robustness["corrupted"]}.items():
        difference = f"{100 * figures['difference']:+.2f}" if "difference" in figures else "-"
        shares = (f"{100 * figures[key]:.2f} %" for key in ("macro_f1", "confidence", "ece"))
        table.add_row(name, f"{100 * figures['accuracy']:.2f} %", difference, *shares, end_section=name == "clean")
    table.add_section()
    mean, difference = robustness["mean_accuracy"], robustness["mean_difference"]
    table.add_row("mean corrupted", f"{100 * mean:.2f} %", f"{100 * difference:+.2f}", "", "", "")
    return table


def _likeliest_error(report: dict[str, Any], index: int) -> str:
    """The wrong class that took most pictures of a class, with their share."""
    labels = list(report["per_class"])
    row = list(report["confusion"][index])
    present, row[index] = sum(row), 0
    if not any(row):
        return "-"
    wrong = max(row)
    return f"{labels[row.index(wrong)]} {100 * wrong / present:.1f} %"


def main(argv: list[str]) -> int:
    """Runs `femo evaluate`; returns the exit code."""
    tyro.cli(run, prog="femo evaluate", args=argv)
    return 0
