"""Where each number on the pages comes from.

A claim is a piece of text as it stands on a page, and the values of its measurements, in their order, read from a
committed file. `fact(...)` stands for a number that no file of femo can hold: a definition, or somebody else's result;
it names who said it.
"""

import json
import statistics
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import safe_open
from studies import Run, read_study

from femo_jax.live.config import TrackConfig
from femo_jax.models import create_model, model_cost
from femo_jax.models.cost import Cost
from femo_jax.train.config import load_config

ROOT = Path(__file__).resolve().parents[2]


class Fact(NamedTuple):
    """A number with a source outside of the repository."""

    source: str


class Claim(NamedTuple):
    """A text of a page and what its measurements are: values, or facts."""

    text: str
    values: Sequence[float | Fact]


def fact(source: str) -> Fact:
    """A number that is not measured here; says where it is from."""
    return Fact(source)


@cache
def read(path: str) -> Any:
    """A committed JSON file."""
    return json.loads((ROOT / path).read_text("utf-8"))


@cache
def runs(study: str, label: str) -> list[Run]:
    """The runs of a configuration, by its name alone or with overrides: `half_hour_distilled,epochs=100`."""
    return [run for run in read_study(ROOT / "results" / f"{study}.jsonl") if run.label == label]


def evaluation(model: str, split: str, tta: str = "none") -> dict[str, Any]:
    """An evaluation in the record of a shipped model."""
    found = read(f"femo_jax/weights/{model}.json")["evaluations"]
    return next(of for of in found if (of["split"], of["tta"]) == (split, tta))


def spread(values: Sequence[float]) -> list[float]:
    """Mean and sample standard deviation."""
    return [statistics.fmean(values), statistics.stdev(values)]


def overlap_accuracy(report: Any) -> float:
    """Accuracy on the images that are in the training split as well, from that of all and that of the others."""
    of = report["unseen"]
    return (report["n"] * report["accuracy"] - of["n"] * of["accuracy"]) / (report["n"] - of["n"])


def minutes_to(name: str, accuracy: float, study: str = "networks") -> float:
    """Minutes of a configuration to the end of the first epoch that reached an accuracy, in the mean over its runs on
    two CPU cores.
    """
    by_run = []
    for run in runs(study, name):
        environment = run.record["environment"]
        if environment.get("cores", 2) != 2 or environment.get("dtype", "bfloat16") != run.record["config"]["dtype"]:
            continue
        epochs: dict[int, float] = {}
        for record in run.metrics:
            epochs[record["epoch"]] = epochs.get(record["epoch"], 0.0) + record["seconds"]
        by_run.append((epochs, {r["epoch"]: r["accuracy"] for r in run.metrics if r["split"] == "validation"}))
    total = 0.0
    for epoch in sorted(by_run[0][0]):
        total += statistics.fmean(seconds[epoch] for seconds, _ in by_run) / 60
        if statistics.fmean(reached[epoch] for _, reached in by_run) >= accuracy:
            return total
    raise ValueError(f"{name} never reached {accuracy}")


def parameters(name: str) -> int:
    """Parameters of the network of a packaged configuration."""
    return _cost(name).parameters


def multiply_adds(name: str) -> int:
    """Multiply-adds of one image by the network of a packaged configuration."""
    return _cost(name).multiply_adds


@cache
def _cost(name: str) -> Cost:
    config = load_config(name)
    return model_cost(create_model(config.model, **config.model_options))


def flip(label: str) -> float:
    """Best accuracy with flip TTA of a row of the grids, by label."""
    of = [run for run in read_study(ROOT / "results" / "grids.jsonl") if run.label == label]
    return statistics.fmean(run.flip["accuracy"] for run in of)


def leaves(value: Any) -> Iterator[float]:
    """All numbers in a JSON value."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from leaves(part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def header(model: str) -> Any:
    """The header of a shipped model file."""
    with safe_open(ROOT / "femo_jax" / "weights" / f"{model}.safetensors", framework="np") as file:
        return json.loads(file.metadata()["femo"])


def measured(*names: str) -> list[float]:
    """All numbers of files of measurements."""
    return [value for name in names for value in leaves(read(f"benchmarks/results/{name}.json"))]


FER2013 = fact("FER-2013 (Goodfellow et al. 2013)")
PEOPLE = fact("Goodfellow et al. 2013, arXiv:1307.0414")
FERPLUS = fact("top vote of FER+ (Barsoum et al. 2016) compared with the label")
INTERVAL = fact("a 95 % interval by choice")
BINOMIAL = 1.96 * (0.7 * 0.3 / 3589) ** 0.5
PYTHON = fact("classifiers of pyproject.toml; tests/test_packaging.py")
ROUND = fact("an example or a threshold in words, not a result")
RECORDED = fact("observed while running, not kept as a file")
DARK_FACTOR = fact("a condition of tools/low_contrast.py")
WIDTHS = "model_options.widths"

PRECISION = Claim(
    "With 3,589 images the 95 % interval of an accuracy is about ±1.5 points", [FER2013, INTERVAL, 100 * BINOMIAL]
)


def low_contrast(condition: str) -> Any:
    """What `tools/low_contrast.py` measured on images in a condition."""
    return read("results/low_contrast.json")["conditions"][condition]


def winograd_gain() -> float:
    """Time of all passes of FemoNet's 3x3 convolutions by a plain sum, over that by Winograd's filtering."""
    measured = read("benchmarks/results/convolution.json")["milliseconds"]
    passes = [of for by_pass in measured.values() for of in by_pass.values()]
    return sum(of["plain"] for of in passes) / sum(of["winograd"] for of in passes)


CLAIMS: dict[str, list[Claim]] = {
    "README.md": [
        Claim("3,589 images per split", [evaluation("femonet-base", "test")["n"]]),
        Claim("Python 3.10 to 3.13", [PYTHON, PYTHON]),
    ],
    "docs/quickstart.md": [Claim("Python 3.10 to 3.13", [PYTHON, PYTHON])],
    "docs/recognise.md": [
        Claim("more than 100,000,000 pixels", [fact("FEMO_MAX_IMAGE_PIXELS in femo_jax/live/sources/image_size.py")]),
        Claim("a face is classified every 100 ms", [TrackConfig().classify_every_ms]),
    ],
    "docs/evaluate.md": [
        Claim("its 95 % interval", [INTERVAL]),
        Claim("A confidence of 70 % then means that about 70 %", [ROUND, ROUND]),
        Claim(
            "With 3,589 images the 95 % interval of an accuracy is about ±1.5 points",
            [FER2013, INTERVAL, 100 * BINOMIAL],
        ),
    ],
    "docs/deploy.md": [
        Claim("Python 3.14** (Ubuntu 26.04", [PYTHON, fact("REP-2000, the platforms of a distribution")]),
        Claim("need Python 3.13 or older", [fact("markers of the extra train in pyproject.toml")]),
    ],
    "docs/faq.md": [Claim("older than 3.10 or newer than 3.14", [PYTHON, PYTHON])],
    "docs/limitations.md": [
        Claim("people agree with them in about 65 %", [PEOPLE]),
        Claim("the ten votes of FER+ agree in 67 %", [FERPLUS]),
        Claim("grey levels multiplied by 0.1, accuracy", [DARK_FACTOR]),
        Claim("falls to 17 %", [low_contrast("darkened x0.1")["accuracy"]]),
        Claim(
            "94 % of the correct and 97 % of the incorrect answers",
            [low_contrast("darkened x0.1")["flagged"]["8"][of] for of in ("correct", "incorrect")],
        ),
        Claim("at most 0.1 % of either", [max(low_contrast("as they are")["flagged"]["8"].values())]),
    ],
    "docs/multi-host.md": [Claim("11 MB a step", [4 * parameters("labels_only") / 1e6])],
    "docs/train.md": [
        Claim("at first use, in about 15 seconds", [RECORDED]),
        Claim("FemoNet (2.6 M parameters)", [parameters("labels_only") / 1e6]),
        Claim("1.8 times as fast", [winograd_gain()]),
    ],
    "docs/datasets.md": [
        Claim("35,887 grey face crops", [FER2013]),
        Claim("15,339 aligned face crops", [fact("RAF-DB (Li, Deng and Du 2017)")]),
        Claim("more than 280,000 faces", [fact("tables of AffectNet (Mollahosseini et al. 2017): 287,651 and 4,000")]),
        Claim("4,900, of which", [fact("KDEF (Lundqvist, Flykt and Öhman 1998)")]),
        Claim("91,793 faces", [fact("ExpW (Zhang et al. 2016)")]),
    ],
    "docs/results.md": [
        Claim("28,709 training images, 3,589 validation images (PublicTest), 3,589 test images", [FER2013] * 3),
        Claim(
            "With 3,589 images the 95 % interval of an accuracy is about ±1.5 points",
            [FER2013, INTERVAL, 100 * BINOMIAL],
        ),
        Claim(
            "reaches 71.97 % on PrivateTest, 70.47 %",
            [evaluation(model, "test")["accuracy"] for model in ("femonet-base", "femonet-small")],
        ),
        Claim(
            "classifies 94 % of the 280 overlapping images as labelled, and 70.16 ± 0.17 % of the others",
            [
                statistics.fmean(overlap_accuracy(run.flip) for run in runs("networks", "femonet-base")),
                *spread([run.flip["unseen"]["accuracy"] for run in runs("networks", "femonet-base")]),
            ],
        ),
        Claim(
            "reaches 68.75 ± 0.96 % without overlap",
            spread([run.flip["unseen"]["accuracy"] for run in runs("networks", "femonet-small")]),
        ),
        Claim("About 20 seconds of start-up", [RECORDED]),
        Claim(
            "Without teachers, 68 % takes 55 minutes, and 70 % was not reached",
            [ROUND, minutes_to("ferplus_self_distill", 0.68), ROUND],
        ),
        Claim("reached 70 % in epoch 93", [ROUND]),
        Claim("needs 2.6 minutes for 65 %", [minutes_to("quick", 0.65, "minutes"), ROUND]),
        Claim("with which 70 % takes 19.1 minutes", [ROUND, minutes_to("half_hour_distilled", 0.7, "minutes")]),
        Claim("9.7 minutes for 68 %", [minutes_to("half_hour", 0.68, "minutes"), ROUND]),
        Claim(
            "without overlap they reach 68.64 ± 0.21 %",
            spread(
                [of.report["without_overlap"]["accuracy"] for of in runs("minutes", "half_hour_distilled,epochs=100")]
            ),
        ),
        Claim(
            "classifies 91 % of the 280 overlapping images as labelled, and 66.30 % of the others",
            [
                overlap_accuracy(runs("ablations", "epochs_24")[0].flip),
                runs("ablations", "epochs_24")[0].flip["unseen"]["accuracy"],
            ],
        ),
        Claim(
            "13 million parameters reach 71 % with flip TTA; 4.8 million reach 70 %, and so do 5.3 million",
            [
                statistics.fmean(run.flip["accuracy"] for run in runs("networks", "teacher_13m")),
                parameters("femonet-base") / 1e6,
                flip(f"ferplus_self_distill,{WIDTHS}=96_192_320_416,whitening_init=true"),
                5291207 / 1e6,
            ],
        ),
        Claim(
            "images of 16x16 pixels, enlarged, still give 63.44 % and 60.85 %",
            [
                read("results/robustness.json")[model]["robustness"]["corrupted"]["16 x 16 pixels"]["accuracy"]
                for model in ("femonet-base", "femonet-small")
            ],
        ),
    ],
    "docs/robot.md": [
        *(
            Claim(f"{row} |", [fact("REP-2000, the platforms of a distribution")] * 2)
            for row in ("Humble | 22.04, 3.10", "Jazzy | 24.04, 3.12", "Kilted | 24.04, 3.12", "Lyrical | 26.04, 3.14")
        ),
        Claim("Python 3.10 to 3.13 and a C++ compiler (1.2 GB", [PYTHON, PYTHON, RECORDED]),
        Claim("that of version 0.1:", [fact("CHANGELOG.rst of femo_ros")]),
        Claim("(version 0.1, which drew images", [fact("CHANGELOG.rst of femo_ros")]),
        Claim("180, 2 ms", [RECORDED]),
        Claim("180, 14 ms", [RECORDED]),
        Claim("180, 11 ms", [RECORDED]),
    ],
    "benchmarks/README.md": [
        Claim("Python 3.11, JAX 0.10.2, ONNX Runtime 1.32, OpenCV 4.14", [fact("versions in the files")] * 3),
        Claim("The default is 100 ms", [TrackConfig().classify_every_ms]),
        Claim("at 30 Hz", [fact("RATE in benchmarks/classification.py")]),
        Claim("differ by up to 0.031", [RECORDED]),
        Claim("oneDNN 3.2", [fact("the version that onednn-devel-cpu-tbb 2023.2.0 holds")]),
        Claim("in 10 instead of 24 ms", [RECORDED]),
        Claim("in 15 minutes", [read("benchmarks/results/endurance.json")["seconds"] / 60]),
        Claim("a network of 199 M multiply-adds", [read("femo_jax/weights/femonet-base.json")["multiply_adds"] / 1e6]),
        Claim("FemoNet, 2,640,775 parameters, 66.7 M", [parameters("labels_only"), multiply_adds("labels_only") / 1e6]),
        Claim("a plain VGG, 1,174,439 parameters, 117.5 M", [fact("tests/benchmarks/test_train_step_networks.py")] * 2),
        Claim("takes 63 ms, compared with 138 ms", [RECORDED, RECORDED]),
    ],
    **{
        f"femo_jax/weights/{model}.md": [
            Claim("people agree with them in about 65 %", [PEOPLE]),
            Claim("1.5 % of the images show disgust, 25 % happy", [436 / 28709, 7215 / 28709]),
            Claim("The 95 % interval of the accuracy", [INTERVAL]),
            Claim(
                "would be 1.8 % (95 %: 1.2 to 2.5 %)",
                [chance[name] if name else INTERVAL for name in ("mean", "", "low", "high")],
            ),
            Claim(
                f"({seeds[0]:.2f} ± {seeds[1]:.2f} % over the seeds)",
                spread([run.report["accuracy"] for run in runs("networks", model)]),
            ),
        ]
        for model, chance, seeds in (
            (
                model,
                header(model)["training"]["calibration"]["ece_by_chance"],
                [100 * of for of in spread([run.report["accuracy"] for run in runs("networks", model)])],
            )
            for model in ("femonet-base", "femonet-small")
        )
    },
}

POOLS: dict[str, list[float]] = {
    "docs/robot.md": measured("ros", "ros_fastdds", "ros_memory"),
    "benchmarks/README.md": measured("live", "train_step", "ros", "ros_memory", "endurance"),
    **{
        f"femo_jax/weights/{model}.md": [*leaves(header(model)), *leaves(read(f"femo_jax/weights/{model}.json"))]
        for model in ("femonet-base", "femonet-small")
    },
}
"""Pages whose numbers may be any of those in the files that the page is about."""
