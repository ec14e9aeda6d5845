"""Reports of a finished run: `report.json` without TTA, `flip.json` with flip TTA."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from femo_jax.data.splits import Split, occurs_in
from femo_jax.errors import CheckpointError
from femo_jax.evaluate.metrics import report
from femo_jax.evaluate.predict import predict_probabilities
from femo_jax.files import write_json
from femo_jax.model_file import LoadedModel, logits_function
from femo_jax.train.workdir import METRICS_FILE, read_records
from femo_jax.weights import load_model

REPORT_FILE, FLIP_FILE = "report.json", "flip.json"

_FORMER_TTA = {"one": "none", "flip": "flip", "ten": "ten_crop"}
_FORMER_KEYS: dict[str, str] = {"unseen": "without_overlap", "views": "tta"}


def write_run_report(workdir: Path, train: Split, validation: Split) -> list[Path]:
    """Evaluates the best checkpoint of a run on its validation split.

    The checkpoint was chosen on this very split, so its accuracy is slightly optimistic: the report
    therefore holds that of the last epoch as well, as `last_accuracy`. `flip.json` is what
    `femo evaluate RUN --tta flip --json` writes.

    Args:
      workdir: a run folder with at least one finished epoch.
      train: the split that the run was fitted to, of which some images occur in the other as well.
      validation: the split by which the run chose its best epoch.

    Returns:
      The files written, for `femo_jax.figures.report.draw_run` to draw.

    Raises:
      CheckpointError: the folder holds no usable run.
    """
    loaded = load_model(workdir)
    without_overlap = ~occurs_in(validation.images, train.images)
    result, flipped = (_report(loaded, validation, without_overlap, tta) for tta in ("none", "flip"))
    last = [record for record in read_records(workdir / METRICS_FILE) if record["split"] == "validation"][-1]
    result |= {
        "epoch": loaded.training["validation"].get("epoch"),
        "last_epoch": last["epoch"],
        "last_accuracy": last["accuracy"],
    }
    files = [workdir / name for name in (REPORT_FILE, FLIP_FILE)]
    write_json(files[0], result)
    write_json(files[1], flipped)
    return files


def _report(loaded: LoadedModel, validation: Split, without_overlap: np.ndarray, tta: str) -> dict[str, Any]:
    probabilities = predict_probabilities(logits_function(loaded), validation.images, tta=tta)
    of_run = {"architecture": loaded.architecture, "split": "validation", "tta": tta}
    return report(probabilities, validation.labels, validation.class_names, without_overlap) | of_run


def read_report(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads a report of `femo evaluate --json` or of a run, also of femo 0.1, whose keys were other ones.

    Raises:
      CheckpointError: the file cannot be read or is not a report.
    """
    try:
        found: dict[str, Any] = json.loads(Path(path).read_text("utf-8"))
        if not isinstance(found["accuracy"], float):
            raise ValueError("no accuracy")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path}: not a report of femo ({type(error).__name__}: {error}). Remove it and start the same command"
            " again"
        ) from error
    for former, key in _FORMER_KEYS.items():
        if former in found:
            found[key] = found.pop(former)
    if (tta := found.get("tta")) in _FORMER_TTA:
        found["tta"] = _FORMER_TTA[tta]
    if corrupted := found.get("robustness", {}).get("corrupted"):
        from femo_jax.evaluate.corruptions import FORMER_NAMES  # needs OpenCV

        renamed = {FORMER_NAMES.get(name, name): values for name, values in corrupted.items()}
        found["robustness"] = found["robustness"] | {"corrupted": renamed}
    return found
