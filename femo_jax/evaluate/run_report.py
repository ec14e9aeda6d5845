"""What a finished run leaves beside its metrics: `report.json`, `curves.png`, `confusion.png`."""

from pathlib import Path

from femo_jax.data.splits import Split
from femo_jax.evaluate.metrics import report
from femo_jax.evaluate.predict import predict_probabilities
from femo_jax.files import write_json
from femo_jax.model_file import logits_function
from femo_jax.plots import plot_confusion, plot_curves
from femo_jax.train.checkpoints import load_for_inference
from femo_jax.train.metric_log import METRICS_FILE, read_records

REPORT_FILE, CURVES_FILE, CONFUSION_FILE = "report.json", "curves.png", "confusion.png"


def write_run_report(workdir: Path, validation: Split) -> list[Path]:
    """Evaluates the best checkpoint of a run on its validation split and draws the run.

    The checkpoint was chosen on this very split, so its accuracy flatters a little: the report therefore
    gives the last epoch's as well, as `last_accuracy`.

    Args:
      workdir: a run folder with at least one finished epoch.
      validation: the split by which the run chose its best epoch.

    Returns:
      The files written: report, curves, confusion.

    Raises:
      CheckpointError: the folder holds no usable run.
    """
    loaded = load_for_inference(workdir)
    probabilities = predict_probabilities(logits_function(loaded), validation.images)
    result = report(probabilities, validation.labels)
    last = [record for record in read_records(workdir / METRICS_FILE) if record["split"] == "validation"][-1]
    result |= {
        "architecture": loaded.architecture,
        "split": "validation",
        "views": "one",
        "epoch": loaded.training["validation"].get("epoch"),
        "last_epoch": last["epoch"],
        "last_accuracy": last["accuracy"],
    }
    files = [workdir / name for name in (REPORT_FILE, CURVES_FILE, CONFUSION_FILE)]
    write_json(files[0], result)
    plot_curves([workdir], files[1])
    plot_confusion(result["confusion"], files[2], f"{loaded.architecture} on validation")
    return files
