"""Tables of the results, made from the committed studies in `results/`."""

import dataclasses
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from benchmark_tables import face_milliseconds
from results_figures import MILESTONES, Times, read_times
from studies import RESULTS, Run, read_study, unpack

from femo_jax import weights
from femo_jax.emotions import EMOTIONS
from femo_jax.evaluate.corruptions import FORMER_NAMES
from femo_jax.evaluate.summary import Row, deviation, markdown_table, mean, read_rows

NEEDS_UNPUBLISHED = frozenset(
    {"distill_3t", "small_distill_3t", "small_distill_3t_light_aug", "small_distill_3t_wide_stem"}
)
"""Configurations that need FER+'s votes and soft labels of the zip's images at once: FER+ publishes votes by row of the
csv alone."""


@cache
def runs_of(study: str) -> tuple[Run, ...]:
    """All runs of a study of `results/`."""
    return tuple(read_study(RESULTS / f"{study}.jsonl"))


def read_json(name: str) -> dict[str, Any]:
    """A JSON file of `results/`."""
    return json.loads((RESULTS / name).read_text("utf-8"))


def is_timed(run: Run) -> bool:
    """Whether the minutes of a run count: two CPU cores, no GPU, computed in the dtype that was asked for.

    Runs of early versions fulfil this and do not record it.
    """
    environment, asked = run.record["environment"], run.record["config"].get("dtype")
    on_two_cores = environment["platform"] == "cpu" and environment.get("cores", 2) == 2
    return on_two_cores and environment.get("dtype", asked) == asked


def is_historical(label: str) -> bool:
    """Whether a row cannot be run again from public data alone."""
    name, *changes = label.split(",")
    return name in NEEDS_UNPUBLISHED or any(change.startswith("soft_labels=") for change in changes)


def rows_of(runs: Sequence[Run]) -> list[Row]:
    """A row for each label, by falling accuracy, with the minutes of the timed runs alone."""
    timed = {(run.label, run.seed): is_timed(run) for run in runs}
    with tempfile.TemporaryDirectory() as folder:
        unpack(runs, Path(folder))
        rows = read_rows(Path(folder))
    return [
        dataclasses.replace(
            row, minutes=[m for seed, m in zip(row.seeds, row.minutes, strict=True) if timed[row.label, seed]]
        )
        for row in rows
    ]


def times_of(runs: Sequence[Run]) -> dict[str, Times]:
    """How the accuracy of each label rose with time, means over its timed runs; labels in the order of `rows_of`."""
    return {
        row.label: read_times([run.metrics for run in timed])
        for row in rows_of(runs)
        if (timed := [run for run in runs if run.label == row.label and is_timed(run)])
    }


COLUMNS: dict[str, Callable[[Row], str]] = {
    "parameters": lambda row: f"{row.parameters:,}",
    "mult-adds": lambda row: f"{row.multiply_adds / 1e6:.1f} M",
    "epochs": lambda row: f"{row.epochs}",
    "minutes": lambda row: f"{mean(row.minutes):.1f}" if row.minutes else "-",
    "seeds": lambda row: f"{len(row.seeds)}",
    "accuracy": lambda row: spread(row.accuracy, "{:.2f}", 100, " %"),
    "last epoch": lambda row: spread(row.last_accuracy, "{:.2f}", 100, " %"),
    "flip TTA": lambda row: spread(row.flip_accuracy, "{:.2f}", 100, " %"),
    "macro-F1": lambda row: spread(row.macro_f1, "{:.3f}"),
    "ECE": lambda row: spread(row.ece, "{:.2f}", 100, " %"),
}
"""Cells of a row, by heading."""


def spread(values: Sequence[float], form: str, scale: float = 1, unit: str = "") -> str:
    """`66.31 ± 0.21 %`: mean and sample standard deviation, the latter of several values only."""
    scaled = [scale * value for value in values]
    around = deviation(scaled)
    return form.format(mean(scaled)) + (f" ± {form.format(around)}" if around is not None else "") + unit


def study_table(study: str) -> str:
    """All rows of a study."""
    rows = [[named(row.label), *(cell(row) for cell in COLUMNS.values())] for row in rows_of(runs_of(study))]
    return markdown_table(["configuration", *COLUMNS], rows)


def named(label: str) -> str:
    """A label as the first cell of a row, with a dagger where it is historical."""
    name, *changes = label.split(",")
    return ", ".join(f"`{part}`" for part in [name, *changes]) + (" †" if is_historical(label) else "")


def time_table(study: str) -> str:
    """Minutes of each configuration of a study to each milestone."""
    lines = []
    for label, times in times_of(runs_of(study)).items():
        reached = [times.minutes_to(milestone) for milestone in MILESTONES]
        lines.append([named(label), *("-" if minutes is None else f"{minutes:.1f}" for minutes in reached)])
    return markdown_table(["configuration", *(f"{100 * milestone:.0f} %" for milestone in MILESTONES)], lines)


def robustness_table() -> str:
    """Accuracy of each shipped model under each corruption, and the difference to clean images."""
    models = {name: report["robustness"] for name, report in read_json("robustness.json").items()}
    headings = ["corruption", *(f"{name}{part}" for name in models for part in ("", ", difference"))]
    lines = [["none", *(text for of in models.values() for text in (_percent(of["clean"]["accuracy"]), "-"))]]
    for kind in next(iter(models.values()))["corrupted"]:
        of_kind = [of["corrupted"][kind] for of in models.values()]
        cells = [text for of in of_kind for text in (_percent(of["accuracy"]), _points(of["difference"]))]
        lines.append([FORMER_NAMES.get(kind, kind), *cells])
    means = [(_percent(of["mean_accuracy"]), _points(of["mean_difference"])) for of in models.values()]
    lines.append(["mean of the corruptions", *(text for pair in means for text in pair)])
    return markdown_table(headings, lines)


def wild_table() -> str:
    """Accuracy on images from outside FER-2013, by way of training: mean and deviation over seeds."""
    lines = [json.loads(line) for line in (RESULTS / "wild.jsonl").read_text("utf-8").splitlines()]
    rows = []
    for model, training in dict.fromkeys((line["model"], line["training"]) for line in lines):
        of = [line for line in lines if (line["model"], line["training"]) == (model, training)]
        shares = [
            _spread([100 * line[name] for line in of])
            for name in ("accuracy", "accuracy_of_all", "balanced_accuracy", "ece")
        ]
        rows.append([model, training, "-" if training == "zero-shot" else str(len(of)), *shares])
    headings = ["model", "training", "seeds", "accuracy of found", "accuracy of all", "balanced accuracy", "ECE"]
    return markdown_table(headings, rows, text_columns=2)


def wild_prior_table() -> str:
    """Metrics on images from outside FER-2013 without and with the prior of live use."""
    rows = []
    for of in read_json("wild_prior.json"):
        priors = {
            "training": of["factors"]["1"],
            "everyday": of["everyday"],
            "chosen on other persons": of["cross_validated"]["factor"],
            "frequencies of other persons": of["cross_validated"]["class frequencies"],
        }
        for prior, metrics in priors.items():
            names = ("accuracy", "accuracy_of_all", "balanced_accuracy", "neutral_recall", "ece")
            shares = [f"{100 * metrics[name]:.1f} %" for name in names]
            found = f"{100 * metrics['found'] / metrics['images']:.1f} %"
            rows.append([of["detector"], of["model"], prior, found, *shares])
    headings = ["detector", "model", "prior", "found", "accuracy of found", "accuracy of all", "balanced accuracy"]
    return markdown_table([*headings, "recall of neutral", "ECE"], rows, text_columns=3)


def generalisation_table() -> str:
    """What other augmentation does to a shipped model, on FER-2013 and on images from outside it."""
    rows = []
    for of in read_json("generalisation.json"):
        everyday = of["everyday_images"]
        accuracies = [f"{100 * of[name]:.2f} %" for name in ("accuracy", "without_overlap", "corrupted")]
        shares = [f"{100 * everyday[name]:.1f} %" for name in ("accuracy", "accuracy_of_all", "balanced_accuracy")]
        rows.append([of["candidate"], *accuracies, *shares])
    headings = ["augmentation", "PublicTest", "without overlap", "corrupted", "everyday images, of found", "of all"]
    return markdown_table([*headings, "balanced accuracy"], rows)


def neutral_face_table() -> str:
    """Metrics of persons with several neutral images, without and with the correction by their own neutral face."""
    rows = []
    for of in read_json("wild_neutral.json"):
        for prior in ("training", "everyday"):
            for strength, metrics in of["neutral_face"][prior].items():
                shares = [
                    f"{100 * metrics[name]:.1f} %" for name in ("accuracy", "balanced_accuracy", "neutral_recall")
                ]
                interval = metrics.get("change_interval")
                change = "-" if interval is None else " to ".join(f"{100 * end:+.1f}" for end in interval)
                rows.append([of["model"], prior, strength, *shares, change])
    headings = ["model", "prior", "strength", "accuracy", "balanced accuracy", "recall of neutral", "change, 95 %"]
    return markdown_table(headings, rows, text_columns=3)


def roll_table() -> str:
    """Metrics with faces cropped as they are and upright, by how much the images are turned."""
    rows = []
    for of in read_json("wild_roll.json"):
        row = [f"{of['degrees']}", of["model"], f"{100 * of['upright']['found'] / of['upright']['images']:.1f} %"]
        for name in ("accuracy_of_all", "balanced_accuracy"):
            row += [f"{100 * of[crop][name]:.1f} %" for crop in ("as it is", "upright")]
        rows.append([*row, " to ".join(f"{100 * end:+.1f}" for end in of["change_interval"])])
    headings = ["degrees", "model", "found", "accuracy of all", "upright", "balanced accuracy", "upright"]
    return markdown_table([*headings, "change, 95 %"], rows, text_columns=2)


def temperature_table() -> str:
    """Calibration errors by what the temperature was fitted to."""
    rows = [
        [of["model"], fitted, f"{metrics['temperature']:.2f}"]
        + [f"{100 * metrics[name]:.1f} %" for name in ("ece_clean", "ece_corrupted", "ece_everyday")]
        for of in read_json("wild_neutral.json")
        for fitted, metrics in of["temperature"].items()
    ]
    headings = ["model", "fitted to", "temperature", "ECE, PublicTest", "ECE, corrupted", "ECE, everyday images"]
    return markdown_table(headings, rows, text_columns=2)


def _spread(values: Sequence[float]) -> str:
    """`71.2 ± 0.4 %`; of one value without a deviation."""
    around = deviation(values)
    return f"{mean(values):.1f}{'' if around is None else f' ± {around:.1f}'} %"


def shipped_table() -> str:
    """The two shipped models at a glance."""
    milliseconds = face_milliseconds()
    rows = []
    for model in weights.shipped_names():
        record = weights.model_record(model)
        private = next(of for of in record["evaluations"] if (of["split"], of["tta"]) == ("test", "none"))
        rows.append(
            [
                f"`{model}`",
                f"{record['parameters'] / 1e6:.2f} M",
                f"{record['bytes'] / 1e6:.1f} MB",
                spread([seed["accuracy"] for seed in record["training"]["seeds"]], "{:.2f}", 100, " %"),
                _percent(private["accuracy"]),
                _percent(private["ece"]),
                f"{milliseconds[model]:.1f} ms",
            ]
        )
    return markdown_table(["model", "parameters", "file", "PublicTest", "PrivateTest", "ECE", "time per face"], rows)


def tta_table() -> str:
    """PublicTest by each shipped model and test-time augmentation."""
    return _evaluations_table("validation")


def private_table() -> str:
    """PrivateTest by each shipped model, as the maintainers measured it once."""
    return _evaluations_table("test")


def elsewhere_table() -> str:
    """The shipped models and fer on data sets that are not FER-2013, as the maintainers measured them once."""
    measured = read_json("elsewhere.json")
    names = measured["data_sets"]
    rows = [[of["name"], *(f"{100 * of[name]:.1f} %" for name in names)] for of in measured["models"]]
    return markdown_table(["model", *(f"{name} ({of['n']})" for name, of in names.items())], rows)


def _evaluations_table(split: str) -> str:
    rows = [
        [
            model,
            of["tta"],
            _percent(of["accuracy"]),
            _percent(of["without_overlap"]["accuracy"]) if "without_overlap" in of else "-",
            _percent(of["ece"]) if "ece" in of else "-",
        ]
        for model in weights.shipped_names()
        for of in weights.model_record(model)["evaluations"]
        if of["split"] == split
    ]
    return markdown_table(["model", "--tta", "accuracy", "without overlap", "ECE"], rows, text_columns=2)


def clip_table() -> str:
    """Share of each label over all clips together, by model."""
    lines = [
        [model, way, *(f"{100 * share:.0f} %" for share in clips["together"][way].values())]
        for model, clips in read_json("clip_labels.json").items()
        for way in ("raw", "shown")
    ]
    return markdown_table(["model", "label", *EMOTIONS], lines, text_columns=2)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _points(share: float) -> str:
    return f"{100 * share:+.2f}"


RUNTIMES = {
    "onnxruntime": "ONNX Runtime",
    "opencv": "OpenCV",
    "stablehlo": "StableHLO, JAX",
    "litert": "LiteRT",
    "int8": "ONNX Runtime, 8-bit integers",
}
"""Names of the runtimes in the table."""


def runtimes_table() -> str:
    """Exported models beside JAX, by model and runtime."""
    measured = read_json("runtimes.json")
    rows = []
    for model, of in measured["models"].items():
        for runtime, name in RUNTIMES.items():
            on_runtime, live = of["probabilities"][runtime], of["live"]
            differing = live["frames_that_differ"].get(runtime)
            rows.append(
                [
                    f"`{model}`",
                    name,
                    f"{on_runtime['largest_difference']:.1e}",
                    f"{on_runtime['mean_probability_difference']:.1e}",
                    f"{on_runtime['other_labels']}",
                    f"{100 * (on_runtime['accuracy'] - of['probabilities']['jax']['accuracy']):+.2f}",
                    "" if differing is None else f"{differing} of {live['frames']}",
                ]
            )
    headings = [
        "Model",
        "Runtime",
        "Logits, largest",
        "Probability, mean",
        "Other labels",
        "Accuracy, points",
        "Frames",
    ]
    return markdown_table(headings, rows, 2)


TABLES: Mapping[str, Callable[[], str]] = {
    "runtimes": runtimes_table,
    "shipped": shipped_table,
    "networks": lambda: study_table("networks"),
    "ablations": lambda: study_table("ablations"),
    "grids": lambda: study_table("grids"),
    "time": lambda: time_table("networks"),
    "minutes": lambda: study_table("minutes"),
    "minutes_to": lambda: time_table("minutes"),
    "robustness": robustness_table,
    "tta": tta_table,
    "wild": wild_table,
    "wild_prior": wild_prior_table,
    "generalisation": generalisation_table,
    "neutral_face": neutral_face_table,
    "roll": roll_table,
    "temperature": temperature_table,
    "clips": clip_table,
    "private": private_table,
    "elsewhere": elsewhere_table,
}
"""What makes each table, by the name in its marker."""
