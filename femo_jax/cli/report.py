"""`femo report`: what happened in a clip or frame log, as a page, tables and a figure."""

import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.markup import escape

from femo_jax.cli.arguments import Flag, OptionalModel, PriorOption, check_outputs
from femo_jax.cli.console import STANDARD_OUTPUT, error_console, give_text, warn, wrote
from femo_jax.cli.parsing import default_hint, parse
from femo_jax.errors import ConfigError, FemoError
from femo_jax.files import check_writable, printable
from femo_jax.live.config import DetectorConfig, SearchConfig, StreamConfig, TrackConfig
from femo_jax.prior import DEFAULT_PRIOR, parse_prior

if TYPE_CHECKING:
    from femo_jax.live.results import FrameResult
    from femo_jax.live.sources.frame import Frame
    from femo_jax.report.log import FaceLog
    from femo_jax.report.page import Thumbnail

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_MOST_THUMBNAILS = 12  # of a face


@dataclass(frozen=True)
class Options:
    """Report which emotions the faces of a clip or frame log showed, when and for how long.

    Example: femo report clip.mp4 -o report.html --csv faces.csv --figure timeline.png
    """

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="LOG|CLIP")]
    """Frame log of `femo live --log`, or a clip, which is recognised first."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("report.html")
    """The page: one HTML file that needs no other; - is standard output."""
    csv: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint=default_hint)] = None
    """Write a table with one row per face and frame, and beside it FILE-intervals; .csv or .parquet; - prints the first
    table alone, as csv."""
    figure: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint=default_hint)] = None
    """Draw the timeline: .png, .pdf or .svg; - writes a PNG to standard output."""
    roi: Annotated[str | None, tyro.conf.arg(metavar="X,Y,W,H", help_behavior_hint=default_hint)] = None
    """Only faces whose middle lies in this region, in pixels of the frames."""
    log_source: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint=default_hint)] = None
    """Of a log of `femo live` with several sources, the one to report."""
    every: Annotated[str | None, tyro.conf.arg(metavar="TIME", help_behavior_hint=default_hint)] = None
    """Average over steps of this length, such as 500ms, 2s or 1min; --csv also writes FILE-steps."""
    thumbnails: Flag = False
    """Show images of the faces on the page; of a clip only, since logs have no images."""
    model: OptionalModel = None
    prior: PriorOption = DEFAULT_PRIOR
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    track: TrackConfig = field(default_factory=TrackConfig)

    @property
    def region(self) -> tuple[float, float, float, float] | None:
        """The numbers of `roi`."""
        if self.roi is None:
            return None
        try:
            x, y, w, h = (float(word) for word in re.split(r"[,\s]+", self.roi.strip()))
        except ValueError:
            raise ConfigError(
                f"--roi is {self.roi!r}; expected x,y,width,height in pixels, such as 0,0,320,240."
            ) from None
        return x, y, w, h

    @property
    def step(self) -> float | None:
        """The seconds of `every`."""
        if self.every is None:
            return None
        found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([a-z]*)\s*", self.every)
        if found is None or found[2] not in _UNITS or not float(found[1]) > 0:
            raise ConfigError(f"--every is {self.every!r}; expected a time above 0 such as 500ms, 2s or 1min.")
        return float(found[1]) * _UNITS[found[2]]


def run(options: Options) -> int:
    """Reads or recognises the source and writes what was asked for; 0, or 128 + signal where one ended it."""
    from femo_jax.report.page import report_html
    from femo_jax.report.tables import csv_text, table_paths, write_tables

    region, step = options.region, options.step
    outputs = {"--output": options.output, "--figure": options.figure}
    if options.csv == STANDARD_OUTPUT:
        outputs["--csv"] = options.csv
    elif options.csv is not None:
        outputs |= {f"--csv ({path.name})": path for path in table_paths(options.csv, step)}
    check_outputs(outputs, inputs=[options.source], model=options.model)
    for path in outputs.values():
        if path is not None and path != STANDARD_OUTPUT:
            check_writable(path)
    if options.figure is not None:
        from femo_jax.figures.style import check_format  # needs matplotlib

        check_format(options.figure)

    thumbnails: list[Thumbnail] = []
    if is_log(options.source):
        if options.thumbnails:
            raise ConfigError(
                f"--thumbnails: {printable(options.source)} is a log, which has no images. Name the clip."
            )
        from femo_jax.report.log import load_log

        log, signal = load_log(options.source, options.log_source), 0
    elif options.log_source is not None:
        raise ConfigError(f"--log-source: {printable(options.source)} is a clip, which is one source. Leave it out.")
    else:
        log, signal = _recognized(options, thumbnails)
    for note in log.notes:
        warn(f"{printable(options.source)}: {note}")
    if region is not None:
        log = log.within(region)
        kept = set(log.persons)
        thumbnails = [each for each in thumbnails if each.person in kept]
    title = options.source.name if options.log_source is None else f"{options.source.name}: {options.log_source}"
    give_text(options.output, report_html(log, title, every=step, thumbnails=thumbnails, roi=region))
    wrote(options.output)
    if options.csv == STANDARD_OUTPUT:
        give_text(STANDARD_OUTPUT, csv_text(log.columns()))
    elif options.csv is not None:
        wrote(*write_tables(log, options.csv, step))
    if options.figure is not None:
        from femo_jax.figures.timeline import plot_timeline

        plot_timeline(log, options.figure, title, every=step)
        wrote(options.figure)
    return 128 + signal if signal else 0


def is_log(path: Path) -> bool:
    """Whether a file is to be read as a frame log: it is text that begins with `{`, or it is empty.

    Raises:
      FemoError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise FemoError(f"{printable(path)}: cannot be read ({error.strerror}). Name a log or a clip.") from error
    return head.lstrip()[:1] in (b"{", b"")


def _recognized(options: Options, thumbnails: "list[Thumbnail]") -> "tuple[FaceLog, int]":
    """The log of a clip, and the signal that ended it early, or 0."""
    from femo_jax.live.output.records import FrameLog
    from femo_jax.live.playing.player import Player, recognition
    from femo_jax.live.recognizer import EmotionRecognizer
    from femo_jax.live.sources import open_source
    from femo_jax.report.log import load_log
    from femo_jax.signals import stop_request

    with ExitStack() as stack:
        source = stack.enter_context(open_source(options.source))
        recognizer = EmotionRecognizer.load(options.model, options.detector, prior=parse_prior(options.prior))
        recognize = recognition(recognizer, recognizer.stream(StreamConfig(search=options.search, track=options.track)))
        if options.thumbnails:
            recognize = _with_thumbnails(recognize, thumbnails)
        stop = stack.enter_context(stop_request())
        path = Path(stack.enter_context(TemporaryDirectory(prefix="femo-"))) / "faces.jsonl"
        name = escape(printable(options.source))
        with FrameLog(path) as log, error_console().status(name) as status:
            player = Player(recognize, stop, log=log)
            player.play(source, None, lambda: status.update(f"{name}: {player.summary.frames:,} frames"))
        return load_log(path), stop.signum


def _with_thumbnails(
    recognize: "Callable[[Frame], FrameResult]", thumbnails: "list[Thumbnail]"
) -> "Callable[[Frame], FrameResult]":
    """Recognition that keeps an image of a face whenever its label is another than that of its last image."""
    import cv2

    from femo_jax.report.page import Thumbnail

    last: dict[int, str] = {}
    counts: dict[int, int] = {}

    def recognize_and_keep(frame: "Frame") -> "FrameResult":
        result = recognize(frame)
        for face in result.faces:
            person = face.track_id
            if person is None or face.uncertain or last.get(person) == face.label:
                continue
            if counts.get(person, 0) >= _MOST_THUMBNAILS:
                continue
            x, y, w, h = (round(value) for value in face.box)
            if w < 1 or h < 1:
                continue
            last[person], counts[person] = face.label, counts.get(person, 0) + 1
            image = cv2.resize(frame.image[y : y + h, x : x + w], (96, 96), interpolation=cv2.INTER_AREA)
            _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])
            thumbnails.append(Thumbnail(person, result.time, face.label, jpeg.tobytes()))
        return result

    return recognize_and_keep


def main(argv: list[str]) -> int:
    """Runs `femo report`; returns the exit code."""
    return run(parse(Options, "femo report", argv))
