"""The table and the figure of the benchmark, from what its JSON file holds."""

import os
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from femo_jax.figures.style import save_figure

NOT_INSTALLED = "fer is not installed: femo was measured alone. `make fer` installs it; then run this again."

GOALS = {
    "frames_per_second": ("frames per second", 3.0),
    "faces": ("faces found", 1.0),
    "cold_start": ("cold start", 3.0),
}
"""How many times as good as fer's the figures of a stream are to be, at least."""

COLOURS = ("#0072B2", "#56B4E9", "#999999")  # of Okabe and Ito's palette (2008), and grey

DISTURBED = 0.1
"""Share of the processors' time from which on others disturb the measurement."""

NO_CONCLUSION = "That is too much for a conclusion: leave the machine alone and run this again."


def ratios(report: dict) -> dict:
    """How many times as good as fer's each measure of femo is; faces are the true faces where these are known."""
    femo, fer = report["femo"], report["fer"]
    stream, images, scanned = femo["stream"], femo["images"], fer["images"]
    counted = "true_faces" if scanned["faces_there"] else "faces"
    return {
        "frames_per_second": stream["frames_per_second"] / scanned["frames_per_second"],
        "frames_per_second_images": images["frames_per_second"] / scanned["frames_per_second"],
        "faces": stream[counted] / max(scanned[counted], 1),
        "faces_images": images[counted] / max(scanned[counted], 1),
        "cold_start": fer["cold_start_s"] / femo["cold_start_s"]["filled_cache"],
        "cold_start_empty_cache": fer["cold_start_s"] / femo["cold_start_s"]["empty_cache"],
        "peak_memory": fer["peak_memory_mib"] / femo["peak_memory_mib"],
        "installed": fer["installed_mib"] / femo["installed_mib"]
        if fer["installed_mib"] and femo["installed_mib"]
        else None,
    }


def columns(report: dict) -> list[tuple[str, dict, dict]]:
    """Heading, figures of the system and figures of the mode, for each way of working that was measured."""
    femo, fer = report["femo"], report["fer"]
    measured = [("femo, stream", femo, femo["stream"]), ("femo, single images", femo, femo["images"])]
    return measured + ([("fer", fer, fer["images"])] if fer else [])


def print_report(report: dict, console: Console) -> None:
    """Prints the table, the ratios with their goals, and what could make them doubtful."""
    console.print(_table(report))
    times = ", ".join(f"{faces}: {value:.2f} ms" for faces, value in report["classify_ms"].items())
    console.print(f"femo classifies faces in one call ({times})")
    for what, reason in report["left_out"].items():
        console.print(f"{what} is left out: {reason}", markup=False)
    others = report["machine"]["others"]
    console.print(f"other programs took {others:.0%} of the processors' time")
    if others > DISTURBED:
        console.print(NO_CONCLUSION, style="bold")
    elif report["fer"]:
        times = ", ".join(f"{faces}: {value:.2f} ms" for faces, value in report["fer"]["classify_ms"].items())
        console.print(f"fer crops and classifies faces of given boxes ({times})")
        for key, (what, goal) in GOALS.items():
            ratio = report["ratio"][key]
            verdict = "met" if ratio >= goal else "missed"
            console.print(f"{what}: {ratio:.2f} times as good as fer's (goal {goal:g}, {verdict})")
        rate, faces = report["ratio"]["frames_per_second_images"], report["ratio"]["faces_images"]
        console.print(f"In single images: {rate:.2f} times the frames per second, {faces:.2f} times the faces.")
    elif "fer" not in report["left_out"]:
        console.print(NOT_INSTALLED)


def _table(report: dict) -> Table:
    measured = columns(report)
    table = Table("640x480", *(heading for heading, _, _ in measured))

    def row(name: str, cells: Sequence[str]) -> None:
        table.add_row(name, *cells)

    row("frames per second", [f"{mode['frames_per_second']:.1f}" for _, _, mode in measured])
    row("  slowest and fastest round", [_spread(mode["frames_per_second_rounds"]) for _, _, mode in measured])
    row("median frame, ms", [f"{mode['median_ms']:.1f}" for _, _, mode in measured])
    row("95th percentile, ms", [f"{mode['p95_ms']:.1f}" for _, _, mode in measured])
    row("faces found", [str(mode["faces"]) for _, _, mode in measured])
    if any(mode["faces_there"] for _, _, mode in measured):
        row("  true faces", [f"{mode['true_faces']} of {mode['faces_there']}" for _, _, mode in measured])
        row("  false ones", [str(mode["false_faces"]) for _, _, mode in measured])
    row("cold start, s", [_cold_start(system["cold_start_s"]) for _, system, _ in measured])
    row("peak memory, MiB", [f"{system['peak_memory_mib']:.0f}" for _, system, _ in measured])
    sizes = [system["installed_mib"] for _, system, _ in measured]
    row("installed, MiB", ["-" if size is None else f"{size:.0f}" for size in sizes])
    return table


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.1f} - {max(values):.1f}"


def _cold_start(seconds: float | dict) -> str:
    if isinstance(seconds, dict):
        return f"{seconds['filled_cache']:.2f} ({seconds['empty_cache']:.2f} with an empty cache)"
    return f"{seconds:.2f}"


def draw_figure(report: dict, path: str | os.PathLike[str]) -> None:
    """Draws bars of the measurements; png, pdf or svg by the suffix of `path`."""
    measured = columns(report)
    modes = [mode for _, _, mode in measured]
    figure = Figure(figsize=(10.5, 6.2), layout="constrained")
    (rates, times, faces), (starts, memory, sizes) = figure.subplots(2, 3)

    labels = [heading.replace(" ", "\n") for heading, _, _ in measured]
    _bars(rates, "frames per second", labels, [mode["frames_per_second"] for mode in modes])
    _bars(times, "ms per frame: median", labels, [mode["median_ms"] for mode in modes])
    _marks(times, "95th percentile", [mode["p95_ms"] for mode in modes])
    _bars(faces, "faces found", labels, [mode["faces"] for mode in modes])
    if there := modes[0]["faces_there"]:
        _marks(faces, f"true faces of {there:,}", [mode["true_faces"] for mode in modes])

    systems = {name: report[name] for name in ("femo", "fer") if report[name]}
    seconds = [system["cold_start_s"] for system in systems.values()]
    _bars(starts, "cold start, s", [*systems], [_filled(each) for each in seconds], COLOURS[::2])
    _marks(starts, "with an empty cache", [seconds[0]["empty_cache"]])
    memories = [system["peak_memory_mib"] for system in systems.values()]
    _bars(memory, "peak memory, MiB", [*systems], memories, COLOURS[::2])
    installed = [system["installed_mib"] or 0.0 for system in systems.values()]
    _bars(sizes, "installed, MiB", [*systems], installed, COLOURS[::2])
    save_figure(figure, path, dpi=120)


def _bars(
    axes: Axes, title: str, labels: Sequence[str], values: Sequence[float], colours: Sequence[str] = COLOURS
) -> None:
    bars = axes.bar(labels, values, color=colours[: len(labels)])
    background = {"boxstyle": "round", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
    axes.bar_label(bars, fmt=_short, label_type="center", bbox=background)
    axes.set_title(title, fontsize=11)
    axes.set_ylim(0, 1.1 * max(*values, 1e-3))
    axes.spines[["top", "right"]].set_visible(False)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _marks(axes: Axes, name: str, values: Sequence[float]) -> None:
    """A line over each bar, named in the title."""
    axes.plot(range(len(values)), values, "_", color="black", markersize=40, markeredgewidth=2)
    axes.set_title(f"{axes.get_title()} (line: {name})", fontsize=11)
    axes.set_ylim(0, max(axes.get_ylim()[1], 1.1 * max(values)))


def _filled(seconds: float | dict) -> float:
    return seconds["filled_cache"] if isinstance(seconds, dict) else seconds
