"""The report of a log as one HTML file: no script, and nothing that is loaded from elsewhere."""

import base64
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from femo_jax.files import write_text
from femo_jax.report.intervals import Interval, PersonSummary, Step, aggregate, intervals, summarize
from femo_jax.report.log import FaceLog
from femo_jax.report.palette import class_colors, text_color

MOST_FACES = 40
"""Faces with a timeline of their own; of more, those in sight for the longest time have one."""

_MOST_STEPS = 600  # of a timeline, more than which cannot be seen
_WIDTH, _HEIGHT, _BAND, _GAP, _AXIS = 1000, 120, 26, 6, 22  # of a timeline
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --text: #1b1b1b; --quiet: #595959; --line: #d0d0d0; --plate: #f4f4f4 }
@media (prefers-color-scheme: dark) {
  :root { --ground: #16181c; --text: #ececec; --quiet: #a8a8a8; --line: #3d4148; --plate: #20242a }
}
body { margin: 0 auto; padding: 1.5rem; max-width: 66rem; background: var(--ground); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem; margin: 0 } h2 { font-size: 1.2rem; margin: 2.2rem 0 .4rem } p { margin: .4rem 0 }
.quiet { color: var(--quiet) }
svg { display: block; width: 100%; height: auto; background: var(--plate); border-radius: 6px }
svg text { fill: var(--quiet); font: 12px system-ui, sans-serif }
.wide { overflow-x: auto } table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap }
th:first-child, td:first-child { text-align: left; padding-left: 0 } thead th { font-weight: 600 }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; padding: 0; list-style: none }
.swatch { display: inline-block; width: .9em; height: .9em; margin-right: .4em; border-radius: 2px;
  vertical-align: -.08em; border: 1px solid var(--quiet) }
.hatched { background: repeating-linear-gradient(45deg, var(--text) 0 2px, transparent 2px 5px) }
.faces { display: flex; flex-wrap: wrap; gap: .6rem; margin: .6rem 0 } figure { margin: 0 }
figure img { display: block; width: 80px; height: 80px; object-fit: cover; border-radius: 6px }
figcaption { font-size: .8rem; color: var(--quiet) } details { margin: .4rem 0 }
"""


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """A face as it was at one time.

    Attributes:
      person: as of `Interval.person`.
      time: in seconds on the source's clock.
      label: of the face.
      jpeg: the picture.
    """

    person: int
    time: float
    label: str
    jpeg: bytes


def write_report(
    log: FaceLog,
    path: str | os.PathLike[str],
    title: str,
    *,
    every: float | None = None,
    thumbnails: Sequence[Thumbnail] = (),
    roi: tuple[float, float, float, float] | None = None,
) -> None:
    """Writes the report as a whole or not at all.

    Args:
      log: with any number of faces; a region of interest was applied to it already.
      path: of the HTML file.
      title: the name of the log or clip.
      every: length in seconds of the steps over which the timelines average; None chooses one that can be seen.
      thumbnails: shown beside the face that each is of.
      roi: the region of interest, for the text.

    Raises:
      ConfigError: the steps are too short.
      FemoError: the file cannot be written.
    """
    write_text(path, report_html(log, title, every=every, thumbnails=thumbnails, roi=roi))


def report_html(
    log: FaceLog,
    title: str,
    *,
    every: float | None = None,
    thumbnails: Sequence[Thumbnail] = (),
    roi: tuple[float, float, float, float] | None = None,
) -> str:
    """The text of the report; see `write_report`."""
    step = every if every is not None else timeline_step(log)
    steps: dict[int, list[Step]] = {person: [] for person in log.persons}
    for each in aggregate(log, step) if step > 0 else ():
        steps[each.person].append(each)
    bands: dict[int, list[Interval]] = {person: [] for person in log.persons}
    for interval in intervals(log):
        bands[interval.person].append(interval)
    summaries = summarize(log)
    drawn = sorted(sorted(summaries, key=lambda each: -each.seconds)[:MOST_FACES], key=lambda each: each.start)
    colors, span = class_colors(log.class_names), _span(log)

    parts = [f"<h1>{escape(title)}</h1>", *_introduction(log, len(summaries), step, roi)]
    if summaries:
        parts += ["<h2>Share of time</h2>", _shares_table(summaries, log.class_names, colors)]
        parts += ["<h2>Timelines</h2>", _legend(colors)]
        if len(drawn) < len(summaries):
            parts.append(f'<p class="quiet">The {len(drawn)} faces that were in sight the longest.</p>')
    for summary in drawn:
        person = summary.person
        parts += [
            f"<h2>{face_name(person)}</h2>",
            f'<p class="quiet">{clock(summary.start - span[0])} to {clock(summary.end - span[0])},'
            f" in sight for {summary.seconds:.1f} s</p>",
            _timeline(summary, steps[person], bands[person], colors, span),
            _thumbnails([each for each in thumbnails if each.person == person], span[0]),
            _transitions(summary),
            _intervals_table(bands[person], span[0]),
        ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline';"
        ' img-src data:">\n'
        f"<title>{escape(title)} - femo report</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n"
        "</main>\n</body>\n</html>\n"
    )


def timeline_step(log: FaceLog) -> float:
    """Length in seconds of the steps of a timeline: a frame, or as many as make a step that can be seen."""
    first, last = _span(log)
    return max(log.frame_step, (last - first) / _MOST_STEPS)


def face_name(person: int) -> str:
    """How a face is called: `Face 3`; one that was not tracked by its place in the frames."""
    return f"Face {person}" if person > 0 else f"Untracked face {-person} of each frame"


def clock(seconds: float) -> str:
    """A time as `1:05` or `1:02:03`; below a minute as `4.2 s`."""
    if seconds < 60:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _span(log: FaceLog) -> tuple[float, float]:
    """Time of the first frame, and end of the last one."""
    if not len(log.frame_times):
        return 0.0, 0.0
    return float(log.frame_times.min()), float(log.frame_times.max()) + log.frame_step


def _introduction(log: FaceLog, faces: int, step: float, roi: tuple[float, float, float, float] | None) -> list[str]:
    first, last = _span(log)
    sizes = ", ".join(f"{width}x{height}" for width, height in log.sizes[:4]) + (", ..." if len(log.sizes) > 4 else "")
    words = f"{len(log.frame_times):,} frames of {sizes} pixels in {clock(last - first)}; {faces:,} faces."
    lines = [f'<p class="quiet">{words}</p>']
    if roi is not None:
        x, y, w, h = roi
        lines.append(f'<p class="quiet">Faces in a region of {w:g}x{h:g} pixels at x {x:g}, y {y:g}.</p>')
    if not faces:
        lines.append(
            "<p><strong>No face was found.</strong> Smaller or turned faces are found by other settings of"
            " the detector: <code>femo live --help</code> lists them.</p>"
        )
        return lines + [f'<p class="quiet">{escape(note)}</p>' for note in log.notes]
    lines.append(
        f'<p class="quiet">Timelines show means over {step:.3g} s. A face that leaves the view and comes back has a new'
        " number. A label is what people would call such an image, not what a person feels.</p>"
    )
    return lines + [f'<p class="quiet">{escape(note)}</p>' for note in log.notes]


def _legend(colors: Mapping[str, str]) -> str:
    entries = [f"<li>{_swatch(color)}{escape(name)}</li>" for name, color in colors.items()]
    entries.append('<li><span class="swatch hatched"></span>uncertain</li>')
    return f'<ul class="legend">{"".join(entries)}</ul>'


def _swatch(color: str) -> str:
    return f'<span class="swatch" style="background:{color}"></span>'


def _shares_table(summaries: Sequence[PersonSummary], names: Sequence[str], colors: Mapping[str, str]) -> str:
    used = [name for name in names if any(each.shares[name] >= 0.0005 for each in summaries)]
    head = "".join(f'<th scope="col">{_swatch(colors[name])}{escape(name)}</th>' for name in used)
    rows = []
    for each in summaries:
        cells = "".join(f"<td>{each.shares[name]:.1%}</td>" for name in used)
        rows.append(
            f'<tr><th scope="row">{face_name(each.person)}</th><td>{each.seconds:.1f} s</td>{cells}'
            f"<td>{each.uncertain:.1%}</td></tr>"
        )
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="Share of time"><table><thead><tr>'
        f'<th scope="col">face</th><th scope="col">in sight</th>{head}<th scope="col">uncertain</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _timeline(
    summary: PersonSummary,
    steps: Sequence[Step],
    bands: Sequence[Interval],
    colors: Mapping[str, str],
    span: tuple[float, float],
) -> str:
    """Stacked probabilities above, the band of labels below, and an axis of time."""
    first, last = span
    scale = _WIDTH / max(last - first, 1e-9)

    def place(time: float) -> float:
        return round(min(max(time - first, 0.0), last - first) * scale, 2)

    hatch = f"hatch{summary.person}".replace("-", "u")
    top, low = _HEIGHT + _GAP, _HEIGHT + _GAP + _BAND
    described = ", ".join(f"{name} {share:.0%}" for name, share in summary.shares.items() if share >= 0.005)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {low + _AXIS}" role="img" aria-label="{face_name(summary.person)}: '
        f'{escape(described)}, uncertain {summary.uncertain:.0%}">',
        f'<defs><pattern id="{hatch}" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="6" height="6" fill="#fff" fill-opacity=".45"/>'
        '<rect width="2.4" height="6" fill="#000" fill-opacity=".75"/></pattern></defs>',
        *_areas(steps, colors, place),
    ]
    for band in bands:
        x, width = place(band.start), max(place(band.end) - place(band.start), 0.5)
        words = f"{band.label}{', uncertain' if band.uncertain else ''}, {clock(band.start - first)} to"
        title = f"<title>{escape(words)} {clock(band.end - first)}, mean confidence {band.confidence:.0%}</title>"
        parts.append(
            f'<g>{title}<rect x="{x}" y="{top}" width="{width:.2f}" height="{_BAND}" fill="{colors[band.label]}"/>'
        )
        if band.uncertain:
            parts.append(f'<rect x="{x}" y="{top}" width="{width:.2f}" height="{_BAND}" fill="url(#{hatch})"/>')
        if width > 8 * len(band.label) + 8 and not band.uncertain:
            ink = text_color(colors[band.label])
            middle = f'x="{x + width / 2:.1f}" y="{top + 17}" text-anchor="middle"'
            parts.append(f'<text {middle} style="fill:{ink}">{escape(band.label)}</text>')
        parts.append("</g>")
    for second in ticks(last - first):
        x = place(first + second)
        anchor = "start" if x < 20 else "end" if x > _WIDTH - 20 else "middle"
        parts.append(f'<line x1="{x}" x2="{x}" y1="{low}" y2="{low + 4}" stroke="currentColor"/>')
        label = clock(second) if second >= 60 else f"{second:g} s"
        parts.append(f'<text x="{x}" y="{low + 17}" text-anchor="{anchor}">{label}</text>')
    return "".join([*parts, "</svg>"])


def _areas(steps: Sequence[Step], colors: Mapping[str, str], place: Callable[[float], float]) -> list[str]:
    """The stacked probabilities: a path for each class, whose parts are the times in which the face was in sight."""
    paths = {name: [] for name in colors}
    runs: list[list[Step]] = []
    for step in steps:
        if runs and math.isclose(runs[-1][-1].end, step.start, abs_tol=1e-6):
            runs[-1].append(step)
        else:
            runs.append([step])
    for run in runs:
        edges = np.repeat([place(run[0].start), *(place(step.end) for step in run)], 2)[1:-1]
        heights = np.cumsum([[0.0, *step.probabilities] for step in run], axis=1)
        heights = np.repeat(_HEIGHT * (1 - heights / np.maximum(heights[:, -1:], 1e-9)), 2, axis=0)
        for number, name in enumerate(colors):
            under, over = heights[:, number], heights[:, number + 1]
            if not np.allclose(under, over, atol=0.05):
                outline = [*zip(edges, over, strict=True), *zip(edges[::-1], under[::-1], strict=True)]
                paths[name].append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in outline) + "Z")
    return [
        f'<path d="{"".join(parts)}" fill="{colors[name]}"><title>{escape(name)}</title></path>'
        for name, parts in paths.items()
        if parts
    ]


def ticks(span: float) -> list[float]:
    """Round times in seconds from 0 to `span`, at most eleven."""
    step = next((step for step in _TICKS if span / step <= 10), 86400 * math.ceil(span / 864000))
    return [round(number * step, 6) for number in range(int(span / step + 1e-9) + 1)]


def _thumbnails(thumbnails: Sequence[Thumbnail], first: float) -> str:
    figures = [
        f'<figure><img alt="{face_name(each.person)}, {escape(each.label)}"'
        f' src="data:image/jpeg;base64,{base64.b64encode(each.jpeg).decode()}">'
        f"<figcaption>{escape(each.label)}, {clock(each.time - first)}</figcaption></figure>"
        for each in thumbnails
    ]
    return f'<div class="faces">{"".join(figures)}</div>' if figures else ""


def _transitions(summary: PersonSummary) -> str:
    if not summary.transitions:
        return ""
    often = sorted(summary.transitions.items(), key=lambda pair: (-pair[1], pair[0]))
    words = "; ".join(f"{escape(a)} to {escape(b)}: {count}" for (a, b), count in often)
    return f"<p>Transitions: {words}.</p>"


def _intervals_table(bands: Sequence[Interval], first: float) -> str:
    rows = "".join(
        f"<tr><td>{escape(each.label)}{' (uncertain)' if each.uncertain else ''}</td>"
        f"<td>{clock(each.start - first)}</td><td>{each.seconds:.2f} s</td><td>{each.confidence:.0%}</td></tr>"
        for each in bands[:_MOST_STEPS]
    )
    left = len(bands) - _MOST_STEPS
    more = f'<p class="quiet">{left:,} more are in the table of --csv.</p>' if left > 0 else ""
    return (
        f"<details><summary>{len(bands):,} interval{'s' if len(bands) != 1 else ''}</summary>"
        '<div class="wide"><table><thead><tr><th scope="col">label</th><th scope="col">start</th>'
        '<th scope="col">length</th><th scope="col">mean confidence</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{more}</details>"
    )
