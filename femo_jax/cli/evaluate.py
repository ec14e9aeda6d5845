"""`femo evaluate`: accuracy, calibration and robustness of a model on a split."""

from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.markup import escape
from rich.table import Table

from femo_jax.cli.arguments import (
    Count,
    Data,
    Flag,
    Model,
    OutputFile,
    Plugins,
    PriorOption,
    check_outputs,
    load_plugins,
    replace_deprecated,
)
from femo_jax.cli.console import STANDARD_OUTPUT, escape_control, give_json, note, print_table, status, wrote
from femo_jax.cli.parsing import parse
from femo_jax.errors import ConfigError
from femo_jax.evaluate.tta import TTA
from femo_jax.prior import TRAINING, parse_prior

DEPRECATED_OPTIONS = {
    "--views": "--tta",
    "--mistakes": "--top-errors",
    "--mistakes-count": "--top-errors-count",
}
DEPRECATED_VALUES = {"--tta": {"one": "none", "ten": "ten_crop"}}


def run(
    model: Annotated[Model, tyro.conf.Positional],
    data: Data,
    split: Literal["train", "validation", "test"] = "validation",
    tta: TTA = "none",
    batch_size: Count = 256,
    json: OutputFile = None,
    figure: OutputFile = None,
    corruptions: Flag = False,
    prior: PriorOption = TRAINING,
    top_errors: OutputFile = None,
    top_errors_count: Count = 40,
    plugin: Plugins = (),
) -> None:
    """Measure accuracy, macro-F1 and calibration of a model, overall and by class.

    Example: femo evaluate default --data fer2013.zip --split test --tta flip

    Select models on validation, and use the test split for the final result only.

    Args:
      model: See `femo_jax.cli.arguments.Model`.
      data: See `femo_jax.cli.arguments.Data`.
      split: train, validation (PublicTest) or test (PrivateTest).
      tta: Test-time augmentation: average the probabilities of the image and its mirror image, or of ten crops.
      batch_size: Images in a batch.
      json: Write the report as JSON; - prints it in place of the tables.
      figure: Draw confusion matrix and reliability diagram (.png, .pdf, .svg); --corruptions adds NAME-corruptions.
      corruptions: Also measure accuracy on 24 kinds of corrupted images, such as dark, blurred or badly cropped ones.
      prior: See `femo_jax.cli.arguments.PriorOption`.
      top_errors: Draw the most confident errors (.png, .pdf, .svg).
      top_errors_count: Number of errors to draw.
      plugin: See `femo_jax.cli.arguments.Plugins`.
    """
    outputs: dict[str, Path | None] = {"--json": json, "--figure": figure, "--top-errors": top_errors}
    draws = figure is not None or top_errors is not None
    if draws:
        from femo_jax.figures.report import check_figures, corruptions_figure  # needs matplotlib

        check_figures(figure, top_errors, top_errors_count)
        if corruptions and figure == STANDARD_OUTPUT:
            raise ConfigError("--corruptions draws a second figure beside --figure, and - holds one. Name a file.")
        if corruptions and figure is not None:
            outputs["--corruptions"] = corruptions_figure(figure)
    check_outputs(outputs, model=model, data=data)
    load_plugins(plugin)
    from femo_jax.evaluate.run import evaluate  # needs OpenCV

    with status("evaluating") as shown:
        evaluation = evaluate(
            model,
            data,
            split,
            tta,
            batch_size=batch_size,
            corruptions=corruptions,
            prior=parse_prior(prior),
            on_progress=lambda step: shown.update(escape(escape_control(f"evaluating: {step}"))),
        )
    if STANDARD_OUTPUT not in outputs.values():
        print_report(evaluation.report)
    give_json(json, evaluation.report)
    wrote(json)
    if draws:
        from femo_jax.figures.report import draw_evaluation

        wrote(*draw_evaluation(evaluation, figure, top_errors, top_errors_count))


def print_report(report: dict[str, Any]) -> None:
    """Prints a report as tables: all images, by class and, where they were measured, under corruptions."""
    from femo_jax.evaluate.run import report_title

    absent = [label for label, values in report["per_class"].items() if not values["n"]]
    summary = Table("metric", "value", title=report_title(report))
    summary.add_row("accuracy", _accuracy(report))
    unique = report.get("without_overlap")
    if unique is not None and unique["n"] < report["n"]:
        summary.add_row(f"without overlap ({unique['n']:,} images)", _accuracy(unique))
    summary.add_row("macro-F1", _percent(report["macro_f1"], 2))
    summary.add_row("negative log-likelihood", f"{report['nll']:.4f} nats")
    summary.add_row("expected calibration error", _percent(report["ece"], 2))
    if "common_classes" in report:
        common = report["common_classes"]
        summary.add_row(f"accuracy among the {len(common['per_class'])} classes of the data", _accuracy(common))
        summary.add_row("macro-F1 among them", _percent(common["macro_f1"], 2))
    print_table(summary)
    if left_out := report.get("left_out"):
        if left_out["model_classes"]:
            note(f"classes of the model that the data lack: {', '.join(left_out['model_classes'])}")
        if left_out["data_classes"]:
            names = ", ".join(left_out["data_classes"])
            note(f"classes of the data that the model lacks, left out: {names} ({left_out['images']:,} images)")

    caption = f"macro-F1 leaves out classes without images: {', '.join(absent)}" if absent else None
    by_class = Table("class", title="by class", caption=caption)
    for column in ("images", "precision", "recall", "F1", "most frequent error"):
        by_class.add_column(column, justify="right")
    for index, (label, values) in enumerate(report["per_class"].items()):
        shares = (_percent(values[key]) for key in ("precision", "recall", "f1"))
        by_class.add_row(label, f"{values['n']:,}", *shares, _most_frequent_error(report, index))
    print_table(by_class)
    if "robustness" in report:
        print_table(_corruptions_table(report["robustness"]))


def _percent(share: float | None, digits: int = 1) -> str:
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def _accuracy(metrics: dict[str, Any]) -> str:
    low, high = metrics["accuracy_interval"]
    return f"{100 * metrics['accuracy']:.2f} %  (95 %: {100 * low:.2f} to {100 * high:.2f} %)"


def _corruptions_table(robustness: dict[str, Any]) -> Table:
    table = Table("corruption", title="corrupted images")
    for column in ("accuracy", "difference", "macro-F1", "confidence", "ECE"):
        table.add_column(column, justify="right")
    for name, metrics in {"clean": robustness["clean"], **robustness["corrupted"]}.items():
        difference = f"{100 * metrics['difference']:+.2f}" if "difference" in metrics else "-"
        shares = (_percent(metrics[key], 2) for key in ("macro_f1", "confidence", "ece"))
        table.add_row(name, _percent(metrics["accuracy"], 2), difference, *shares, end_section=name == "clean")
    table.add_section()
    mean, difference = robustness["mean_accuracy"], robustness["mean_difference"]
    table.add_row("mean corrupted", _percent(mean, 2), f"{100 * difference:+.2f}", "", "", "")
    return table


def _most_frequent_error(report: dict[str, Any], index: int) -> str:
    """The wrong class that was predicted for most images of a class, with their share."""
    labels = list(report["per_class"])
    row = list(report["confusion"][index])
    present, row[index] = sum(row), 0
    if not any(row):
        return "-"
    wrong = max(row)
    return f"{labels[row.index(wrong)]} {100 * wrong / present:.1f} %"


def main(argv: list[str]) -> int:
    """Runs `femo evaluate`; returns the exit code."""
    parse(run, "femo evaluate", replace_deprecated(argv, DEPRECATED_OPTIONS, DEPRECATED_VALUES))
    return 0
