"""Writes `results.md` and its figures from the runs in `results/`: every figure stands in a file of its run.

python experiments/table.py
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from results_figures import MILESTONES, Times, draw_cost, draw_times, read_times
from rich.console import Console

from femo_jax.emotions import EMOTIONS
from femo_jax.evaluate.summary import Row, markdown, markdown_table, read_rows, run_folders
from femo_jax.files import write_text
from femo_jax.train.workdir import read_run_record

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
ABLATIONS, GRIDS = RESULTS / "ablations", RESULTS / "grids"

OPENING = """# Results on FER-2013

All accuracies are of PublicTest (3,589 pictures), on which the best epoch was chosen, so that they flatter a little;
that of the last epoch stands beside it. Its 95 % interval is +- 1.5 points: differences under a point between single
runs say nothing. PrivateTest was not touched. "Mirrored view" averages the probabilities of a picture and its mirror
image. Figures of several seeds are mean ± sample standard deviation.

Every row comes from a committed configuration and one command, and its `config.json`, `metrics.jsonl`, `report.json`
and `flip.json` are in [results/](results/), from which `python experiments/table.py` makes this page. Minutes are
those of two cores of an AMD EPYC (x86-64 with AVX-512 and its bfloat16 instructions, no GPU) that did other work as
well. Left out are the minutes of runs that had one core (`cores` under `environment` in `config.json`), two of them
side by side, of runs that were to be in bfloat16 and had to be in float32 (`dtype` there), on a processor with AVX2
alone, and of runs on a GPU (`platform` there).

Those had an NVIDIA H100, five to nine side by side, 24 minutes for all of them. There was no TensorFlow on that
machine: the loop of `femo train` got from NumPy the batches that its tf.data pipeline gives, in the same order. A GPU
does not repeat a run bit for bit.

In runs on a CPU whose augmentation has noise, femonet_two_cores and femonet_wide_stem excepted, a picture that was made
brighter got more of it: both were drawn from one random key. This was mended after them, so that their commands give
other random pictures now.

## Networks

    femo data prepare fer2013.zip --data-dir fer2013 --ferplus ferplus.csv
    femo sweep experiments/NAME.py --data fer2013 --workdir runs --seeds 0 1 2

`ferplus.csv` has the votes of FER+'s `fer2013new.csv` beside a column `name`, the picture's name in the zip. FER+'s own
file goes with the forms that have FER-2013's rows: `femo data prepare fer2013.csv --ferplus fer2013new.csv`. Soft
labels belong to the pictures of one form, those below to the zip's.

The rows whose name says taught, femonet_two_cores and femonet_wide_stem learn from four or six networks, see
[teachers](#teachers); femonet_born_again, femonet_small, femonet_small_shifted and femonet_small_wide_stem from what
three femonets say, in [soft_labels.safetensors](results/femonet/soft_labels.safetensors). The minutes of teachers are
not among those of their pupils. Wide early stages, which gain in twelve epochs (see below), gain nothing that chance
does not explain in sixty on a CPU; better teachers and more epochs do. femonet_wide_stem, with such stages and a third
more epochs, sees a point more than femonet_two_cores; one run each, they do not tell which of the two it was.

The more epochs, the more is known by heart: femonet_taught names 94 % of the 280 pictures of PublicTest that are in
Training as well as they are labelled, with the mirrored view, and 70.16 ± 0.17 % of the others (`unseen` in
`flip.json`); femonet_small_taught 68.75 ± 0.96 % of the others.

"""

COST = """
![accuracy over multiply-adds](cost.png)

Published networks stand there with their accuracy on PrivateTest, which lies about 1.5 points above that on PublicTest
where both are known: VGG19 and ResNet18 of WuJie1010, ten crops a picture; DenseNet121 and ResNet34 of Pham et al.
(2020), begun with ImageNet's weights, ten views.

## Time to accuracy

Minutes of `femo train`, validation included, to the end of the first epoch that reached an accuracy. What comes before
the first epoch, about 20 seconds, is not among them, nor is the training of teachers: without any, 68 % takes 55
minutes, and 70 % has not been reached on two cores. With six, femonet_wide_stem reached it in the 93rd of its 120
epochs, in its one run.

"""

TIMES = """
![accuracy over time](time.png)
"""

TEACHERS = """
## Teachers

What teachers say of the training pictures is in [results/soft_labels/](results/soft_labels/), so that none of them need
be trained for a pupil. Four, one run each, taught femonet_taught_by_four and its variants among the [grids](#grids):

    femo soft-labels \\
        runs/grids/femonet,model_options.widths=128_256_512_768,model_options.dropout=0.3,whitened_start=true/seed1 \\
        runs/grids/femonet_large,epochs=120/seed2 \\
        runs/grids/femonet_born_again,model_options.widths=128_256_512_768,model_options.dropout=0.3/seed0 \\
        runs/grids/femonet_born_again,model_options.widths=96_192_320_416,epochs=160/seed1 \\
        --data fer2013 -o experiments/results/soft_labels/four.safetensors

Three of these pupils and three networks that had no teacher taught the models that ship:

    femo soft-labels runs/femonet_large/seed0 runs/femonet_large/seed1 runs/femonet_large/seed2 \\
        runs/femonet_taught_by_four/seed0 runs/grids/femonet_taught_by_four,augmentation.*/seed0 \\
        runs/grids/femonet_taught_by_four,model_options.widths=160_224_320_352/seed0 \\
        --data fer2013 -o experiments/results/soft_labels/six.safetensors

All but the pupils learned from the votes of FER+, and the pupils did so through them. Teachers were chosen by their
accuracy and likelihood on PublicTest: that of their pupils flatters a little more for it.
"""

ABLATION = """
## What helps, in twelve epochs

Each configuration in [ablations/](ablations/) changes one thing of [base](ablations/base.py) and says what was claimed
of it. Short runs choose among what is tried; they cannot show what pays off only in long ones, such as strong
augmentation. One seed, unless there are more.

Twice the epochs gain most, though part of it by heart: of the 280 pictures of PublicTest that are in Training as well,
`longer` names 91 % as labelled with the mirrored view, and 66.30 % of the others (`unseen` in its `flip.json`). A
whitened first layer gains with the mirrored view and over two seeds. More channels, in early stages for less work, the
answers of a larger network, and sharpness-aware minimisation at twice the work may gain as much there: of each there is
one run. SGD, CutMix, weights by class, and smaller pictures in early epochs cost more than chance explains. Of the rest
one run cannot tell.

    femo soft-labels runs/femonet/seed0 --data fer2013 -o femonet-soft-labels.safetensors    # for soft_labels alone
    femo sweep experiments/ablations/*.py --data fer2013 --workdir runs/ablations

"""


GRID = """
## Grids

    femo sweep experiments/NAME.py --data fer2013 --workdir runs/grids --grid FIELD=VALUE ...

One run each of most. Without a teacher a network of 13 million parameters sees 71 % with the mirrored view, one of 4.8
million 70 %, and so does one of 5.3 million that is twice as deep. From four good teachers one of 4.8 million learns
more where three quarters of each target are theirs than where half is; from three weaker ones, without the labels, it
learns less. In 100 epochs stronger augmentation gains or costs nothing that chance does not explain. Over 80 epochs a
whitened first layer brings femonet_small half a point with the mirrored view, in one run, and nothing without. With
wide early stages, 30 epochs of mirrored and shifted pictures do as well.

femonet-soft-labels.safetensors is what one femonet said, as among the ablations; that file is lost.

"""

ROBUSTNESS = """
## Faces as a camera shows them

PublicTest under each corruption, one view, by the models that ship:

    femo evaluate MODEL --data fer2013 --corruptions --json experiments/results/robustness/MODEL.json

"""

VIEWS = """
## Test-time views

PublicTest by the models that ship: the picture alone, with its mirror image, or ten crops of 44x44, their probabilities
averaged. "Unseen" is without the 280 pictures that are in Training as well.

    femo evaluate MODEL --data fer2013 --views VIEWS --json experiments/results/views/MODEL/VIEWS.json

"""

LABELS = """
## Labels over clips

Share of the raw label, and of the label that is shown, over the faces of two clips of people on a stage and in a crowd,
without labels of their own: they tell whether faces are "always angry", and no error rate.

    python tools/label_distribution.py CLIP CLIP --model MODEL --json experiments/results/labels/MODEL.json

"""


def link(row: Row, root: Path) -> str:
    """The label as a link to its runs."""
    return f"[{row.label}]({(root / row.label).relative_to(HERE)}/)"


def time_table(times: Mapping[str, Times]) -> str:
    """Minutes to each milestone as a Markdown table."""
    lines = []
    for name, of in times.items():
        reached = [of.minutes_to(milestone) for milestone in MILESTONES]
        lines.append([name, *("-" if minutes is None else f"{minutes:.1f}" for minutes in reached)])
    return markdown_table(["label", *(f"{100 * milestone:.0f} %" for milestone in MILESTONES)], lines)


def robustness_table(reports: Mapping[str, dict[str, Any]]) -> str:
    """Accuracy of each model under each corruption, and what it costs, as a Markdown table."""
    models = {name: report["robustness"] for name, report in reports.items()}
    headings = ["faces", *(f"{name}{part}" for name in models for part in ("", ", difference"))]
    lines = [["clean", *(text for of in models.values() for text in (_percent(of["clean"]["accuracy"]), "-"))]]
    for kind in next(iter(models.values()))["corrupted"]:
        figures = [of["corrupted"][kind] for of in models.values()]
        lines.append(
            [kind, *(text for of in figures for text in (_percent(of["accuracy"]), _points(of["difference"])))]
        )
    means = [(_percent(of["mean_accuracy"]), _points(of["mean_difference"])) for of in models.values()]
    lines.append(["mean corrupted", *(text for pair in means for text in pair)])
    return markdown_table(headings, lines)


def views_table(root: Path) -> str:
    """Accuracy, also of unseen pictures, and calibration error of each model by view, as a Markdown table."""
    reports = {folder.name: _by_name(folder) for folder in sorted(root.iterdir())}
    views = ("one", "flip", "ten")
    rows = [
        [
            name,
            *(_percent(of[view]["accuracy"]) for view in views),
            *(_percent(of[view]["unseen"]["accuracy"]) for view in views),
            *(_percent(of[view]["ece"]) for view in views),
        ]
        for name, of in reports.items()
    ]
    return markdown_table(["model", *(f"{of}{view}" for of in ("", "unseen, ", "ECE, ") for view in views)], rows)


def label_table(distributions: Mapping[str, dict[str, Any]]) -> str:
    """Shares of the labels over all clips together, by model, as a Markdown table."""
    lines = [
        [name, way, *(f"{100 * share:.0f} %" for share in clips["together"][way].values())]
        for name, clips in distributions.items()
        for way in ("raw", "shown")
    ]
    return markdown_table(["model", "", *EMOTIONS], lines, text_columns=2)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _points(share: float) -> str:
    return f"{100 * share:+.2f}"


def page(rows: Sequence[Row], times: Mapping[str, Times]) -> str:
    """The whole page, the best row of each table first."""
    networks = markdown(rows, lambda row: link(row, RESULTS))
    ablations = markdown(rows_of(ABLATIONS), lambda row: link(row, ABLATIONS))
    grids = markdown(rows_of(GRIDS), lambda row: link(row, GRIDS))
    robustness, labels = (_by_name(RESULTS / folder) for folder in ("robustness", "labels"))
    shipped = [
        ROBUSTNESS,
        robustness_table(robustness),
        VIEWS,
        views_table(RESULTS / "views"),
        LABELS,
        label_table(labels),
    ]
    return "".join(
        [OPENING, networks, COST, time_table(times), TIMES, TEACHERS, ABLATION, ablations, GRID, grids, *shipped]
    )


def _by_name(folder: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}


def is_timed(run: Path) -> bool:
    """Whether minutes of a run are told: it had two cores and no GPU, and computed in the dtype that it was asked for.

    Runs of an older femo did both, and do not say so.
    """
    record = read_run_record(run)
    environment, asked = record["environment"], record["config"].get("dtype")
    on_two_cores = environment["platform"] == "cpu" and environment.get("cores", 2) == 2
    return on_two_cores and environment.get("dtype", asked) == asked


def rows_of(root: Path) -> list[Row]:
    """The rows of a folder of runs, with the minutes of those that are timed."""
    rows, folders = [], run_folders(root)
    for row in read_rows(root):
        runs = folders[row.label]
        of_seeds = zip(row.seeds, row.minutes, strict=True)
        counted = [minutes for seed, minutes in of_seeds if is_timed(runs[seed])]
        rows.append(dataclasses.replace(row, minutes=counted))
    return rows


def read_all() -> tuple[list[Row], dict[str, Times]]:
    """The rows of the committed runs, and how the accuracy of those that are timed rose."""
    rows, runs = rows_of(RESULTS), run_folders(RESULTS)
    finished = {row.label: [runs[row.label][seed] for seed in row.seeds] for row in rows}
    timed = {label: [run for run in of_label if is_timed(run)] for label, of_label in finished.items()}
    return rows, {label: read_times(counted) for label, counted in timed.items() if counted}


def main() -> None:
    """Writes the page and its figures."""
    rows, times = read_all()
    draw_cost(rows, HERE / "cost.png")
    draw_times({name: of for name, of in times.items() if of.minutes_to(0.5)}, HERE / "time.png")
    write_text(HERE / "results.md", page(rows, times))
    Console().print(f"wrote {HERE / 'results.md'}")


if __name__ == "__main__":
    main()
