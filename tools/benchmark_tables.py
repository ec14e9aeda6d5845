"""Tables of the benchmarks, made from the committed measurements in `benchmarks/results/`."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from studies import decompress

from femo_jax import weights
from femo_jax.evaluate.summary import deviation, markdown_table, mean

MEASUREMENTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"
"""Folder of the committed measurements."""


def measurement(name: str) -> dict[str, Any]:
    """A file of `benchmarks/results/`, without its ending."""
    return json.loads((MEASUREMENTS / f"{name}.json").read_text("utf-8"))


def face_milliseconds() -> dict[str, float]:
    """Median processor time of one face crop on one core, in ms, by shipped model."""
    measured = measurement("face")["milliseconds"]
    return {name: measured[name]["median"] for name in weights.shipped_names()}


def live_table() -> str:
    """Recognition beside `fer`."""
    femo, fer = (measurement("live")[name] for name in ("femo", "fer"))
    ways = [(femo["stream"], femo), (femo["images"], femo), (fer["images"], fer)]
    rows = [
        ["frames per second", *(f"{way['frames_per_second']:.0f}" for way, _ in ways)],
        ["median frame, ms", *(f"{way['median_ms']:.1f}" for way, _ in ways)],
        ["95th percentile, ms", *(f"{way['p95_ms']:.1f}" for way, _ in ways)],
        ["true faces found", *(f"{way['true_faces']:,}" for way, _ in ways)],
        ["false faces", *(f"{way['false_faces']:,}" for way, _ in ways)],
        ["start to first result, s", *(f"{_cold_start(of):.1f}" for _, of in ways)],
        ["peak memory, MiB", *(f"{of['peak_memory_mib']:.0f}" for _, of in ways)],
        ["installed size, MiB", *(f"{of['installed_mib']:,.0f}" for _, of in ways)],
    ]
    return markdown_table(["", "femo, stream", "femo, single images", "fer"], rows)


def live_runtimes_table() -> str:
    """Recognition by what computes the network, each in a run of its own beside `fer`."""
    rows = []
    for runtime, name in (("ONNX Runtime", "live"), ("JAX", "live_jax")):
        measured = measurement(name)
        femo, ratio = measured["femo"], measured["ratio"]["frames_per_second"]
        start = femo["cold_start_s"]
        times = ", ".join(f"{measured['classify_ms'][faces]:.1f}" for faces in ("1", "4", "16"))
        rows.append(
            [
                runtime,
                f"{femo['stream']['frames_per_second']:.0f}",
                f"{ratio:.1f}",
                f"{femo['images']['frames_per_second']:.0f}",
                f"{start['filled_cache']:.2f} s",
                f"{start['empty_cache']:.2f} s",
                f"{femo['peak_memory_mib']:.0f} MiB",
                f"{times} ms",
            ]
        )
    headings = ["", "stream, frames a second", "times fer's", "single images", "start", "with an empty cache"]
    return markdown_table([*headings, "memory", "1, 4 and 16 faces"], rows)


def _cold_start(of: Mapping[str, Any]) -> float:
    start = of["cold_start_s"]
    return start["filled_cache"] if isinstance(start, dict) else start


SIDES = {
    "femo, oneDNN": "onednn",
    "PyTorch": "torch",
    "PyTorch, torch.compile": "torch_compile",
    "Keras on TensorFlow": "keras",
    "femo, XLA": "xla",
    "stock Flax layers": "stock",
}
"""Implementations of a training step, and what the measurements call them."""


def train_step_table(networks: Mapping[str, str]) -> str:
    """Images per second of a training step, by implementation, network and dtype.

    Args:
      networks: the heading of each network, by its name in the measurements.
    """
    measured = measurement("train_step")
    rows = [
        [name, *(f"{measured[network][f'{side}_{dtype}']:.0f}" for network in networks for dtype in ("f32", "bf16"))]
        for name, side in SIDES.items()
    ]
    headings = [f"{heading}{dtype}" for heading in networks.values() for dtype in ("float32", "bfloat16")]
    return markdown_table(["images per second", *headings], rows)


def convolution_table() -> str:
    """Milliseconds of each pass of each convolution, by Winograd's filtering and by a plain sum."""
    measured = measurement("convolution")["milliseconds"]
    passes = list(next(iter(measured.values())))
    rows = [
        [shape, *(f"{of[name]['winograd']:.1f}, plain {of[name]['plain']:.1f}" for name in passes)]
        for shape, of in measured.items()
    ]
    return markdown_table(["convolution", *passes], rows)


def backend_table() -> str:
    """Best accuracy of ten epochs by kernel backend and seed."""
    rows = []
    for name, by_seed in measurement("accuracy").items():
        best = [
            max(record["accuracy"] for record in decompress(of) if record["split"] == "validation")
            for of in by_seed.values()
        ]
        cells = [f"{100 * accuracy:.2f} %" for accuracy in best]
        rows.append([BACKENDS[name], *cells, f"{100 * (mean(best) or 0):.2f} ± {100 * (deviation(best) or 0):.2f} %"])
    return markdown_table(["backend", "seed 0", "seed 1", "seed 2", "mean ± sd"], rows)


BACKENDS = {"xla_float32": "XLA, float32", "onednn_bfloat16": "oneDNN, bfloat16"}
"""Names of the backends in the table."""


def deploy_table() -> str:
    """Ways to recognise, by runtime."""
    measured = measurement("deploy")
    names = {"jax": "JAX", "onnxruntime": "ONNX Runtime", "opencv": "OpenCV alone"}
    files = {"jax": f"`{measured['model']}.safetensors`"}
    rows = [
        [
            names[side],
            files.get(side, f"`{measured['model']}` as `.onnx`"),
            f"{of['installed_mib']:.0f} MiB",
            f"{of['peak_mib']:.0f} MiB",
            f"{of['cold_start_s']:.1f} s",
            f"{of['face_ms']:.1f} ms",
        ]
        for side, of in measured["sides"].items()
    ]
    table = markdown_table(["Runtime", "File", "Installed", "Memory", "Cold start", "A face"], rows, 2)
    machine = measured["machine"]
    note = f" Note: {measured['note']}." if measured["note"] else ""
    return f"{table.rstrip()}\n\n{machine['processor']}, {machine['cores']} cores.{note}"


def stages_table() -> str:
    """Times of the stages of a frame."""
    together = measurement("stages")["together"]
    named = {**together["stages"], "recognition": together["recognition"], "whole frame": together["frame"]}
    rows = [[name, *(f"{of[key]:.1f}" for key in ("median_ms", "p95_ms", "mean_ms"))] for name, of in named.items()]
    return markdown_table(["ms", "median", "95th percentile", "mean"], rows)


def classification_table() -> str:
    """Labels of faces that are classified now and then, beside those of every frame."""
    rows = []
    for every, of in measurement("classification")["every_ms"].items():
        scenes, change = of["scenes"], of["change"]
        rows.append(
            [
                "every frame" if every == "0" else f"{every} ms",
                f"{scenes['classifications']:.1f}",
                f"{100 * scenes['same_label']:.1f} %",
                f"{100 * scenes['same_label_certain']:.1f} %",
                f"{60 * scenes['label_changes']:.1f}",
                f"{scenes['mean_delay_ms']:.0f} ms",
                f"{change['median_ms']:.0f} ms",
            ]
        )
    headings = ["per face second", "same label", "where certain", "changes a minute", "shown later", "new face after"]
    return markdown_table(["classified", *headings], rows)


def cameras_table() -> str:
    """Processor time and memory of one to four cameras in one process."""
    measured = measurement("cameras")
    memory = measured["memory_mib"]
    rows = [
        [
            count,
            *(f"{of['cpu_ms']:.1f}" if (of := measured[way].get(count)) else "-" for way in ("together", "one_by_one")),
            *(f"{memory[way][count]:.0f}" for way in ("one_process", "a_process_each")),
        ]
        for count in measured["together"]
    ]
    times = ["CPU ms a frame, together", "one by one"]
    return markdown_table(["cameras", *times, "MiB, one process", "a process each"], rows)


ROS_RUNS = {
    "femo, 30 Hz": "30 Hz for a minute",
    "floor, 30 Hz": "the same, a node that only copies the image",
    "femo, 30 Hz, JPEG watched": "30 Hz, JPEG of the annotated image watched",
    "femo, 30 Hz, image watched": "30 Hz, raw annotated image watched",
    "femo, 120 Hz": "120 Hz",
}
"""Runs of the benchmark of the ROS 2 node, and what the table calls them."""


def ros_table() -> str:
    """The ROS 2 node under load."""
    runs = measurement("ros")["runs"]
    rows = [
        [
            heading,
            *(f"{runs[run][count]}" for count in ("sent", "answered", "dropped_for_newer", "lost")),
            f"{runs[run]['cores']:.2f}",
            f"{runs[run]['latency_ms']['median']:.0f} / {runs[run]['latency_ms']['p95']:.0f} ms",
        ]
        for run, heading in ROS_RUNS.items()
    ]
    counts = ["images sent", "answered", "dropped for newer", "lost on the way"]
    return markdown_table(["", *counts, "cores", "latency from stamp, median / 95th"], rows)


def data_parallel_table() -> str:
    """A step of data parallel training, by number of processes."""
    measured = measurement("data_parallel")
    rows = [
        [
            f"{count}, estimated" if int(count) in measured["estimated"] else count,
            f"{measured['alone_ms'][count]:.0f} ms",
            f"{ms:.0f} ms",
            f"{1e3 * measured['batch'] / ms:.0f}",
            f"{100 * measured['efficiency'][count]:.0f} %",
        ]
        for count, ms in measured["together_ms"].items()
    ]
    return markdown_table(["processes", "a step alone", "together", "images/s", "efficiency"], rows)


TABLES: Mapping[str, Callable[[], str]] = {
    "cameras": cameras_table,
    "data_parallel": data_parallel_table,
    "ros": ros_table,
    "classification": classification_table,
    "stages": stages_table,
    "deploy": deploy_table,
    "live": live_table,
    "live_runtimes": live_runtimes_table,
    "train_step": lambda: train_step_table({"femonet": ""}),
    "train_step_both": lambda: train_step_table({"femonet": "FemoNet, ", "vgg": "VGG, "}),
    "convolution": convolution_table,
    "backends": backend_table,
}
"""What makes each table, by the name in its marker."""
