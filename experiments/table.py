"""Writes `results.md` from the runs in `results/`: every figure stands in a file of its run.

python experiments/table.py
"""

import json
from pathlib import Path

from rich.console import Console

from femo_jax.files import write_text
from femo_jax.models import create_model
from femo_jax.models.cost import model_cost
from femo_jax.train.metric_log import METRICS_FILE, read_records

HERE = Path(__file__).resolve().parent

HEADER = """# Results on FER-2013

One run each; validation is PublicTest (3,589 pictures), on which the best epoch was chosen, so its accuracy flatters
a little, and differences under a point say nothing. PrivateTest was not touched. Each run was made with

    femo train experiments/NAME.py --data fer2013.zip --workdir runs/NAME
    femo evaluate runs/NAME --data fer2013.zip --views flip --json runs/NAME/flip.json

on two cores of an AMD EPYC (x86-64 with AVX-512) that did other work as well, without a GPU; all but simple_cnn with
`--cpu-devices 2`, and so through XLA, since oneDNN came later. Configuration, metrics, report and figures are in
[results/](results/), from which `python experiments/table.py` makes this table.

| run | parameters | mult-adds | epochs | minutes | best epoch | 95 % interval | last epoch | mirrored view | F1 | ECE |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
"""


def row(run: Path) -> str:
    """The line of one run."""
    config = json.loads((run / "config.json").read_text())["config"]
    report = json.loads((run / "report.json").read_text())
    log = read_records(run / METRICS_FILE)
    cost = model_cost(create_model(config["model"], **config["model_options"]))
    seconds = sum(record["seconds"] for record in log)
    low, high = report["accuracy_interval"]
    cells = [
        f"[{run.name}]({run.relative_to(HERE)}/)",
        f"{cost.parameters:,}",
        f"{cost.multiply_adds / 1e6:.1f} M",
        f"{config['epochs']}",
        f"{seconds / 60:.1f}",
        f"{report['accuracy']:.2%}",
        f"{low:.1%} - {high:.1%}",
        f"{report['last_accuracy']:.2%}",
        f"{json.loads((run / 'flip.json').read_text())['accuracy']:.2%}",
        f"{report['macro_f1']:.3f}",
        f"{report['ece']:.3f}",
    ]
    return f"| {' | '.join(cells)} |\n"


def main() -> None:
    """Writes the table of all runs, the best last."""
    runs = [path.parent for path in HERE.glob("results/*/report.json")]
    runs.sort(key=lambda run: json.loads((run / "report.json").read_text())["accuracy"])
    write_text(HERE / "results.md", HEADER + "".join(map(row, runs)))
    Console().print(f"wrote {HERE / 'results.md'}")


if __name__ == "__main__":
    main()
