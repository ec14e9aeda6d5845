"""Tables of the benchmarks, made from the committed measurements in `benchmarks/results/`."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from femo_jax import weights
from femo_jax.evaluate.summary import markdown_table

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
    ways = [(femo["stream"], femo), (femo["pictures"], femo), (fer["pictures"], fer)]
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


def _cold_start(of: Mapping[str, Any]) -> float:
    start = of["cold_start_s"]
    return start["filled_cache"] if isinstance(start, dict) else start


def train_step_table() -> str:
    """Training steps of FemoNet by implementation and dtype."""
    measured = measurement("train_step")["femonet"]
    sides = {
        "femo, oneDNN": "onednn",
        "PyTorch": "torch",
        "PyTorch, torch.compile": "torch_compile",
        "Keras on TensorFlow": "keras",
        "femo, XLA": "xla",
        "stock Flax layers": "stock",
    }
    rows = [
        [name, *(f"{measured[f'{side}_{dtype}']:.0f}" for dtype in ("f32", "bf16"))] for name, side in sides.items()
    ]
    return markdown_table(["images per second", "float32", "bfloat16"], rows)


TABLES: Mapping[str, Callable[[], str]] = {"live": live_table, "train_step": train_step_table}
"""What makes each table, by the name in its marker."""
