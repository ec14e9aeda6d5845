"""Write the cards of the shipped models from their JSON records, the headers of their files, and a template.

python tools/cards.py
"""

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from femo_jax import weights
from femo_jax.files import write_text
from femo_jax.model_file import LoadedModel, load_model_file

TEMPLATE = Path(__file__).with_name("card_template.md")

SPLITS = {"validation": "PublicTest", "test": "PrivateTest"}
TTA = {"none": "none", "flip": "flip", "ten_crop": "ten crops"}


def card(name: str) -> str:
    """The text of a shipped model's card.

    Args:
      name: of a shipped model.
    """
    record, model = weights.model_record(name), load_model_file(weights.model_path(name))
    training, evaluations = record["training"], record["evaluations"]
    calibration, recall = model.training["calibration"], model.training["evaluation"]["recall"]
    low, high = model.training["evaluation"]["accuracy_interval"]
    chance = calibration["ece_by_chance"]
    return TEMPLATE.read_text("utf-8").format(
        name=name,
        summary=record["summary"],
        architecture=record["architecture"],
        size=f"{record['parameters']:,} parameters, {record['multiply_adds'] / 1e6:.1f} M multiply-adds per face",
        megabytes=f"{record['bytes'] / 1e6:.1f} MB",
        headline="; ".join(f"{percent(e['accuracy'])} on {SPLITS[e['split']]}" for e in evaluations if _plain(e)),
        config=training["config"],
        run=f"runs/{training['config']}/seed{training['seed']}",
        seed=training["seed"],
        targets=_targets(model),
        evaluations="\n".join(map(_row, evaluations)),
        interval=f"{percent(low)} to {percent(high)}",
        n_seeds=len(training["seeds"]),
        seeds=_over_seeds(training["seeds"]),
        labels=" | ".join(recall),
        rule="|".join("---:" for _ in recall),
        recalls=" | ".join(f"{100 * share:.1f} %" for share in recall.values()),
        temperature=f"{model.temperature:.4f}",
        nll_before=f"{calibration['nll']['before']:.4f} nats",
        nll_after=f"{calibration['nll']['after']:.4f} nats",
        ece_before=percent(calibration["ece"]["before"]),
        ece_after=percent(calibration["ece"]["after"]),
        folds=calibration["folds"],
        cross_fitted=percent(calibration["cross_fitted_ece"]),
        chance=f"{100 * chance['mean']:.1f} % (95 %: {100 * chance['low']:.1f} to {100 * chance['high']:.1f} %)",
    )


def percent(share: float | None, digits: int = 2) -> str:
    """A share in 0..1 as a percentage; a dash where it was not measured."""
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def _plain(evaluation: dict[str, Any]) -> bool:
    return evaluation["tta"] == "none"


def _row(evaluation: dict[str, Any]) -> str:
    without = evaluation.get("without_overlap")
    cells = [
        SPLITS[evaluation["split"]],
        TTA[evaluation["tta"]],
        f"{evaluation['n']:,}",
        percent(evaluation["accuracy"]),
        percent(evaluation.get("macro_f1"), digits=1),
        percent(evaluation.get("ece")),
        f"{percent(without['accuracy'])} of {without['n']:,}" if without else "-",
    ]
    return f"| {' | '.join(cells)} |"


def _over_seeds(seeds: list[dict[str, Any]]) -> str:
    """Mean and standard deviation of the accuracy over the seeds of the configuration."""
    accuracy = 100 * np.array([each["accuracy"] for each in seeds])
    return f"{accuracy.mean():.2f} ± {accuracy.std(ddof=1):.2f} % over the seeds"


def _targets(model: LoadedModel) -> str:
    """What the training targets were made of, besides the labels."""
    config = model.training["config"]
    soft = config.get("distillation_weight", config.get("soft_label_share", 0.0))
    if not soft:
        return "The training targets are the labels."
    return (
        f"{100 * soft:.0f} % of each training target are soft labels of a teacher ensemble (knowledge distillation,"
        f" Hinton et al. 2015):\n`{config['soft_labels']}`, made with `femo soft-labels`. The teachers, or their own"
        " teachers, were trained on the votes of\nFER+ (Barsoum et al. 2016) as well; votes on PublicTest were not"
        " used."
    )


def main() -> None:
    """Write a card beside each model file."""
    for name in weights.shipped_names():
        path = weights.model_path(name).with_suffix(".md")
        write_text(path, card(name))
        Console().print(f"wrote {path}")


if __name__ == "__main__":
    main()
