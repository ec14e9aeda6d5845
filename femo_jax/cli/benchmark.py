"""`femo benchmark`: several models on several data sets, in one table."""

from typing import Annotated, Any, Literal

import tyro
from rich.markup import escape
from rich.table import Table

from femo_jax.cli.arguments import Count, Flag, OutputFile, Plugins, check_outputs, load_plugins
from femo_jax.cli.console import STANDARD_OUTPUT, escape_control, give_json, note, print_table, status, wrote
from femo_jax.cli.parsing import parse
from femo_jax.errors import ConfigError
from femo_jax.live.config import DetectorConfig

_MODELS_HELP = "Models of femo, .onnx too; another ONNX classifier with NAME.json beside it; `fer`, PyPI's package."


def run(
    models: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="MODEL [MODEL ...]", help=_MODELS_HELP, help_behavior_hint=""),
    ],
    data: Annotated[tuple[str, ...], tyro.conf.arg(metavar="DATA [DATA ...]", help_behavior_hint="")] = (),
    whole_images: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATH [PATH ...]", help_behavior_hint="")] = (),
    split: Annotated[Literal["train", "validation", "test"] | None, tyro.conf.arg(help_behavior_hint="")] = None,
    training_data: Annotated[str | None, tyro.conf.arg(metavar="DATA", help_behavior_hint="")] = None,
    corruptions: Flag = False,
    detector: DetectorConfig = DetectorConfig(),  # noqa: B008, which is frozen
    draws: Count = 1000,
    seed: Count = 0,
    json: OutputFile = None,
    figure: OutputFile = None,
    plugin: Plugins = (),
) -> None:
    """Compare models on data sets: accuracy, balanced accuracy, macro-F1, likelihood and calibration, with intervals.

    Example: femo benchmark default small --data fer2013.zip --whole-images photos.zip --json benchmark.json

    Args:
      models: compared on the same images.
      data: Data sets of faces, in any form that `femo evaluate` takes.
      whole_images: Folders or zips of whole images, CLASS/IMAGE: the largest face that is found counts.
      split: Split of each of --data; by default test, or validation of data that have no test split.
      training_data: Data set of whose training split no image counts, compared pixel by pixel.
      corruptions: Also measure accuracy and calibration on corrupted faces.
      detector: of whole images.
      draws: Number of bootstrap samples.
      seed: Seed of the samples.
      json: Write the table as JSON; - prints it in place of the table.
      figure: Draw accuracy, macro-F1 and calibration error (.png, .pdf, .svg).
      plugin: See `femo_jax.cli.arguments.Plugins`.
    """
    if not models or not (data or whole_images):
        raise ConfigError("expected `femo benchmark MODEL [MODEL ...] --data DATA [DATA ...]`, or --whole-images PATH")
    if draws < 1 or seed < 0:
        raise ConfigError(f"--draws is {draws} and --seed {seed}: expected at least 1 and 0")
    if figure is not None:
        from femo_jax.figures.style import check_format  # needs matplotlib

        check_format(figure)
    check_outputs({"--json": json, "--figure": figure}, inputs=(*data, *whole_images, *models))
    load_plugins(plugin)
    from femo_jax.evaluate.benchmark import benchmark  # needs OpenCV

    with status("benchmark") as shown:
        rows = benchmark(
            models,
            data,
            split=split,
            training_data=training_data,
            whole_images=whole_images,
            corruptions=corruptions,
            detector=detector,
            draws=draws,
            seed=seed,
            on_progress=lambda step: shown.update(escape(escape_control(f"benchmark: {step}"))),
        )
    if json != STANDARD_OUTPUT:
        print_benchmark(rows)
    give_json(json, {"draws": draws, "seed": seed, "rows": rows})
    wrote(json)
    if figure is not None:
        from femo_jax.figures.benchmark import plot_benchmark

        plot_benchmark(rows, figure)
        wrote(figure)


def print_benchmark(rows: list[dict[str, Any]]) -> None:
    """Prints the rows of `femo_jax.evaluate.benchmark.benchmark` as tables: faces, corrupted faces, whole images."""
    table = Table("data", "model", "classes", title="benchmark, with 95 % bootstrap intervals")
    for column in ("images", "accuracy", "balanced accuracy", "macro-F1", "NLL", "ECE"):
        table.add_column(column, justify="right")
    for row in rows:
        for classes, metrics in (("all of the model", row["metrics"]), ("of the data", row["common_classes"])):
            if metrics is not None:
                shares = [_share(metrics[name]) for name in ("accuracy", "balanced_accuracy", "macro_f1")]
                numbers = (*shares, f"{metrics['nll']['value']:.3f}", _share(metrics["ece"]))
                where = f"{row['data']}, {row['split']}" if "split" in row else row["data"]
                table.add_row(escape(where), escape(row["model"]), classes, f"{row['n']:,}", *numbers)
    print_table(table)
    if corrupted := [row for row in rows if "corrupted" in row]:
        table = Table("data", "model", "mean accuracy", "mean ECE", title="corrupted faces")
        for row in corrupted:
            shares = (f"{100 * row['corrupted'][name]:.2f} %" for name in ("mean_accuracy", "mean_ece"))
            table.add_row(escape(row["data"]), escape(row["model"]), *shares)
        print_table(table)
    if whole := [row for row in rows if row["kind"] == "whole images"]:
        table = Table("data", "model", title="whole images, largest face")
        for column in ("images", "found", "accuracy of found", "accuracy of all"):
            table.add_column(column, justify="right")
        for row in whole:
            shares = (row["found"], row["metrics"]["accuracy"]["value"], row["accuracy_of_all"]["accuracy"])
            texts = (f"{100 * share:.1f} %" for share in shares)
            table.add_row(escape(row["data"]), escape(row["model"]), f"{row['images']:,}", *texts)
        print_table(table)
    for row in rows:
        for key, words in (("model_classes", "only the model has"), ("data_classes", "left out, only the data have")):
            if names := row["left_out"][key]:
                note(f"{row['model']} on {row['data']}: {words} {', '.join(names)}")
        if row["overlap_removed"]:
            note(f"{row['data']}: {row['overlap_removed']:,} images of the training data removed")


def _share(metric: dict[str, float]) -> str:
    return f"{100 * metric['value']:.1f} % ({100 * metric['low']:.1f}-{100 * metric['high']:.1f})"


def main(argv: list[str]) -> int:
    """Runs `femo benchmark`; returns the exit code."""
    parse(run, "femo benchmark", argv)
    return 0
