"""The table and the figure of train_step.py, from what its JSON file holds."""

import os
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from report import DISTURBED, NO_CONCLUSION
from rich.console import Console
from rich.table import Table

from femo_jax.figures.style import save_figure

TITLES = {
    "stock_f32": "stock JAX f32",
    "stock_bf16": "stock JAX bf16",
    "xla_f32": "femo XLA f32",
    "xla_bf16": "femo XLA bf16",
    "onednn_f32": "femo oneDNN f32",
    "onednn_bf16": "femo oneDNN bf16",
    "torch_f32": "PyTorch f32",
    "torch_bf16": "PyTorch bf16",
    "torch_compile_f32": "PyTorch compiled f32",
    "torch_compile_bf16": "PyTorch compiled bf16",
    "keras_f32": "Keras f32",
    "keras_bf16": "Keras bf16",
    "step_onednn_f32": "whole step, oneDNN f32",
    "step_onednn_bf16": "whole step, oneDNN bf16",
    "augmentation": "augmentation alone",
    "pipeline": "tf.data pipeline alone",
}

NETWORKS = {"femonet": "FemoNet", "vgg": "plain VGG"}

COLOURS = {"stock": "#999999", "xla": "#56B4E9", "onednn": "#0072B2", "torch": "#E69F00", "keras": "#CC79A7"}
"""Of Okabe and Ito's palette (2008), and grey."""

GOALS = {
    "bf16_over_stock": ("femo oneDNN bf16 beside stock JAX", 6.0),
    "bf16_over_torch": ("femo oneDNN bf16 beside PyTorch's best mode", 1.0),
    "f32_over_torch": ("femo oneDNN f32 beside PyTorch's best f32 mode", 1.0),
}
"""How many times as fast femo is to be, at least."""


def ratios(report: Mapping) -> dict[str, dict[str, float]]:
    """How many times as fast femo with oneDNN is, by network: each of `GOALS` whose sides were measured."""
    found = {}
    for network in networks(report):
        rates = report[network]
        stock, torch = (best(rates, framework) for framework in ("stock", "torch"))
        torch_f32 = best({name: rate for name, rate in rates.items() if name.endswith("_f32")}, "torch")
        pairs = {
            "bf16_over_stock": (rates.get("onednn_bf16"), stock),
            "bf16_over_torch": (rates.get("onednn_bf16"), torch),
            "f32_over_torch": (rates.get("onednn_f32"), torch_f32),
        }
        found[network] = {name: ours / theirs for name, (ours, theirs) in pairs.items() if ours and theirs}
    return found


def best(rates: Mapping[str, float], framework: str) -> float | None:
    """The highest rate among the sides of a framework."""
    return max((rate for name, rate in rates.items() if name.startswith(framework)), default=None)


def networks(report: Mapping) -> list[str]:
    """The networks that were measured."""
    return [name for name in NETWORKS if report.get(name)]


def print_report(report: Mapping, console: Console) -> None:
    """Prints the tables, the goals, what was left out, and what could make the figures doubtful."""
    for network in networks(report):
        console.print(_table(report, network))
    if report["femo_full"]:
        console.print(_parts_table(report))
    for name, peak in report["peak_gflop_per_second"].items():
        console.print(f"peak, a large oneDNN matrix product, {name}: {peak:.0f} GFLOP/s")
    for name, reason in report["left_out"].items():
        console.print(f"{TITLES.get(name, name)} is left out: {reason}", markup=False)
    for network, others in report["machine"]["others"].items():
        console.print(f"{NETWORKS[network]}: other programs took {others:.0%} of the processors' time")
        if others > DISTURBED:
            console.print(NO_CONCLUSION, style="bold")
            continue
        for name, ratio in report["ratio"].get(network, {}).items():
            what, goal = GOALS[name]
            verdict = "met" if ratio >= goal else "missed"
            console.print(f"{NETWORKS[network]}, {what}: {ratio:.2f} times as fast (goal {goal:g}, {verdict})")


def _table(report: Mapping, network: str) -> Table:
    rates, details = report[network], report["details"][network]
    title = f"{NETWORKS[network]}, {details['parameters']:,} parameters: training steps of 128 images"
    table = Table("", title=title)
    for heading in ("images per second", "slowest, fastest", "of best", "of peak"):
        table.add_column(heading, justify="right", no_wrap=True)
    fastest = max(rates.values())
    for name in sorted(rates, key=rates.__getitem__, reverse=True):
        share = details["share_of_peak"].get(name)
        table.add_row(
            TITLES[name],
            f"{rates[name]:,.0f}",
            _spread(details["rounds"][name]),
            f"{rates[name] / fastest:.2f}",
            "" if share is None else f"{share:.0%}",
        )
    return table


def _parts_table(report: Mapping) -> Table:
    table = Table("", title="femo's own training of FemoNet, and what feeds it")
    for heading in ("images per second", "slowest, fastest"):
        table.add_column(heading, justify="right")
    for name, rate in report["femo_full"].items():
        table.add_row(TITLES[name], f"{rate:,.0f}", _spread(report["details"]["femonet"]["rounds"][name]))
    return table


def _spread(values: list[float]) -> str:
    return f"{min(values):,.0f} - {max(values):,.0f}"


def draw_figure(report: Mapping, path: str | os.PathLike[str]) -> None:
    """Draws bars of images per second, a panel a network; png, pdf or svg by the suffix of `path`."""
    shown = networks(report)
    figure = Figure(figsize=(1.5 + 5.5 * len(shown), 5.0), layout="constrained")
    for axes, network in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        _draw_network(axes, report, network)
    save_figure(figure, path, dpi=120)


def _draw_network(axes: Axes, report: Mapping, network: str) -> None:
    names = [name for name in TITLES if name in report[network]][::-1]
    rates = [report[network][name] for name in names]
    bars = axes.barh([TITLES[name] for name in names], rates, color=[COLOURS[name.split("_")[0]] for name in names])
    rounds = report["details"][network]["rounds"]
    for number, name in enumerate(names):
        axes.plot([min(rounds[name]), max(rounds[name])], [number, number], color="black", linewidth=1.2)
    shares = report["details"][network]["share_of_peak"]
    reach = max(max(rounds[name]) for name in names)
    for bar, name, rate in zip(bars, names, rates, strict=True):
        text = f"{rate:,.0f}" + (f" ({shares[name]:.0%})" if name in shares else "")
        axes.text(max(rounds[name]) + 0.015 * reach, bar.get_y() + bar.get_height() / 2, text, va="center")
    axes.set_xlim(0, 1.25 * reach)
    axes.set_title(NETWORKS[network])
    axes.set_xlabel("images per second" + (" (share of the machine's peak)" if shares else ""))
    axes.spines[["top", "right"]].set_visible(False)
