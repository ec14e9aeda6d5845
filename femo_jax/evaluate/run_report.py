"""What a finished run leaves beside its metrics: `report.json` and `flip.json`."""

from pathlib import Path
from typing import Any

import numpy as np

from femo_jax.data.splits import Split, occurs_in
from femo_jax.evaluate.metrics import report
from femo_jax.evaluate.predict import predict_probabilities
from femo_jax.files import write_json
from femo_jax.model_file import LoadedModel, logits_function
from femo_jax.train.checkpoints import load_for_inference
from femo_jax.train.metric_log import METRICS_FILE, read_records

REPORT_FILE, MIRRORED_FILE = "report.json", "flip.json"


def write_run_report(workdir: Path, train: Split, validation: Split) -> list[Path]:
    """Evaluates the best checkpoint of a run on its validation split.

    The checkpoint was chosen on this very split, so its accuracy flatters a little: the report therefore
    gives the last epoch's as well, as `last_accuracy`. `flip.json` is what `femo evaluate RUN --views flip --json`
    writes.

    Args:
      workdir: a run folder with at least one finished epoch.
      train: the split that the run was fitted to, of which some pictures are in the other as well.
      validation: the split by which the run chose its best epoch.

    Returns:
      The files written: reports with one view and with the mirrored one; `femo_jax.figures.report.draw_run` draws.

    Raises:
      CheckpointError: the folder holds no usable run.
    """
    loaded = load_for_inference(workdir)
    unseen = ~occurs_in(validation.images, train.images)
    result, mirrored = (_report(loaded, validation, unseen, views) for views in ("one", "flip"))
    last = [record for record in read_records(workdir / METRICS_FILE) if record["split"] == "validation"][-1]
    result |= {
        "epoch": loaded.training["validation"].get("epoch"),
        "last_epoch": last["epoch"],
        "last_accuracy": last["accuracy"],
    }
    files = [workdir / name for name in (REPORT_FILE, MIRRORED_FILE)]
    write_json(files[0], result)
    write_json(files[1], mirrored)
    return files


def _report(loaded: LoadedModel, validation: Split, unseen: np.ndarray, views: str) -> dict[str, Any]:
    probabilities = predict_probabilities(logits_function(loaded), validation.images, views=views)
    of_run = {"architecture": loaded.architecture, "split": "validation", "views": views}
    return report(probabilities, validation.labels, unseen) | of_run
