"""`femo live`: emotions on the faces of one or several cameras, clips or images, as they come."""

import inspect
import itertools
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.markup import escape

from femo_jax.cli.arguments import (
    DEPRECATED_DETECTOR_OPTIONS,
    Flag,
    OptionalModel,
    OutputFile,
    Plugins,
    PriorOption,
    check_outputs,
    load_plugins,
    replace_deprecated,
)
from femo_jax.cli.console import STANDARD_OUTPUT, error_console, note, warn, wrote
from femo_jax.cli.parsing import parse
from femo_jax.errors import ConfigError, SourceError
from femo_jax.live.config import DetectorConfig, DrawConfig, SearchConfig, StreamConfig, TrackConfig
from femo_jax.live.output.records import FrameLog
from femo_jax.live.output.video import VideoWriter
from femo_jax.live.playing.player import Player, recognition
from femo_jax.live.playing.several import GroupPlayer, recognition_together
from femo_jax.live.playing.window import KEYS, PreviewWindow, why_no_window
from femo_jax.live.recognizer import EmotionRecognizer
from femo_jax.live.sources import open_source
from femo_jax.live.sources.addresses import is_address, redacted
from femo_jax.live.sources.frame import FrameSource
from femo_jax.live.sources.group import SourceGroup, source_names
from femo_jax.live.sources.images import find_images
from femo_jax.prior import DEFAULT_PRIOR, parse_prior
from femo_jax.signals import stop_request

DEPRECATED_OPTIONS = {
    **DEPRECATED_DETECTOR_OPTIONS,
    "--search.window": "--search.window-scale",
    "--search.scales": "--search.scale-range",
    "--track.born-after": "--track.min-hits",
    "--track.lost-after-ms": "--track.max-age-ms",
}
DEPRECATED_VALUES = {"--faces": {"whole": "cropped"}}

_CAMERA_RATES = (1.0, 120.0)  # frames a second that can be true; network streams announce others as well
_USUAL_RATE = 25.0
_HIGHEST_CLIP_RATE = 240.0  # of a clip that is written from another
_LONGEST_PAUSE, _LONGEST_STILL = 1.0, 60.0  # seconds without a frame that are kept of a camera, and of a clip
_SLIDE_RATE = 1.0  # of images that stand alone


@dataclass(frozen=True)
class Options:
    """Recognise the emotions of the faces in cameras, streams, clips or images, frame by frame.

    Example: femo live clip.mp4 --output annotated.mp4 --log faces.jsonl --no-window
    """

    sources: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="[SOURCE ...]", help_behavior_hint="(default: 0)"),
    ] = ("0",)
    """Camera number, address (rtsp://, http://), clip, image, or a folder or pattern of images. Several cameras and
    streams, or several clips, are recognised together: one network, and one window or clip with their frames side by
    side."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = None
    """Write the annotated frames as a clip (.mp4, .mkv or .avi); .avi has a constant rate."""
    log: OutputFile = None
    """Write one JSON line for each frame, with time, latency and faces, and with the source where there are several; -
    is standard output."""
    no_window: Flag = False
    """Open no window; clips are then processed as fast as possible."""
    max_frames: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Stop after this many frames, of all sources together."""
    mirror: Flag = False
    """Mirror the frames, as a selfie camera does."""
    size: Annotated[tuple[int, int] | None, tyro.conf.arg(metavar="WIDTH HEIGHT")] = None
    """Frame size in pixels to request from each camera."""
    rate: Annotated[float | None, tyro.conf.arg(metavar="FPS")] = None
    """Frames per second to request from each camera, or at which images are played as a clip."""
    give_up_after: Annotated[float, tyro.conf.arg(metavar="SECONDS")] = 30.0
    """Stop when a camera or stream gives no frame for this long; inf waits forever. Others are played on."""
    model: OptionalModel = None
    prior: PriorOption = DEFAULT_PRIOR
    plugin: Plugins = ()
    faces: Literal["detect", "cropped"] = "detect"
    """detect: search for faces; cropped: each frame is one face crop, and nothing is detected."""
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    track: TrackConfig = field(default_factory=TrackConfig)
    draw: DrawConfig = field(default_factory=DrawConfig)

    def __post_init__(self) -> None:
        """Refuses what cannot be done, with ConfigError."""
        if self.max_frames is not None and self.max_frames < 1:
            raise ConfigError(f"--max-frames is {self.max_frames}; expected at least 1.")
        if self.output == STANDARD_OUTPUT:
            raise ConfigError("--output writes a clip, which cannot go to standard output (-). Name a file.")
        if not self.sources:
            raise ConfigError("no source is named; expected a camera number, an address, a clip or images.")
        for number, source in enumerate(self.sources):
            if source in self.sources[:number]:
                raise ConfigError(f"{redacted(source)!r} is named twice. Name each source once.")
        inputs = [path for source in self.sources for path in _files(source)]
        check_outputs({"--output": self.output, "--log": self.log}, inputs=inputs, model=self.model)

    @property
    def title(self) -> str:
        """The sources, as others may read them."""
        return ", ".join(map(redacted, self.sources))


def run(options: Options) -> int:
    """Plays the sources; 0, 2 where one of several was given up, or 128 + signal where it was ended by one."""
    with_window = not options.no_window and _can_open_window(options)
    with ExitStack() as stack:
        opened = partial(open_source, size=options.size, rate=options.rate, give_up_after=options.give_up_after)
        sources = [stack.enter_context(opened(source)) for source in options.sources]
        group = SourceGroup(sources, source_names(options.sources)) if len(sources) > 1 else None
        video = None
        if options.output is not None:
            longest = _LONGEST_PAUSE if sources[0].live else _LONGEST_STILL
            video = VideoWriter(options.output, max(map(_clip_rate, sources)), longest)
        load_plugins(options.plugin)
        recognizer = EmotionRecognizer.load(options.model, options.detector, prior=parse_prior(options.prior))
        # Around the clip, so that the second SIGHUP of a closed terminal does not break off its end.
        stop = stack.enter_context(stop_request())
        if video is not None:
            # Not as its own context manager: what a camera showed before it broke down is worth keeping.
            stack.enter_context(closing(video))
        log = stack.enter_context(FrameLog(options.log)) if options.log is not None else None
        window = None
        if with_window:
            window = stack.enter_context(PreviewWindow(f"femo - {options.title}", warn, lambda: bool(stop)))
        outputs = {"drawing": options.draw, "mirror": options.mirror, "window": window, "video": video, "log": log}
        config, numbers = StreamConfig(search=options.search, track=options.track), itertools.count(1)
        streams = [recognizer.stream(config, numbers) for _ in sources]
        cropped = options.faces == "cropped"
        if group is None:
            player = Player(recognition(recognizer, streams[0], cropped=cropped), stop, **outputs)
            play = partial(player.play, sources[0])
        else:
            player = GroupPlayer(recognition_together(recognizer, streams, cropped=cropped), stop, **outputs)
            play = partial(player.play, group)
        _play(player, play, options, with_window)
    for path in (options.output, options.log):
        if path is not None and path.exists():
            wrote(path)
    if stop:
        return 128 + stop.signum
    return 2 if group is not None and group.given_up else 0


def _files(source: str) -> list[Path]:
    """The files that a source reads."""
    path = Path(source)
    if is_address(source) or path.is_file():
        return [] if is_address(source) else [path]
    try:
        return find_images(source)
    except SourceError:  # reported when it is opened
        return [path]


def _can_open_window(options: Options) -> bool:
    """Whether there is a display; without one, prints so, and fails if no output was asked for either."""
    why_not = why_no_window()
    if why_not is None:
        return True
    written = " and ".join(str(path) for path in (options.output, options.log) if path is not None)
    if not written:
        raise ConfigError(f"{why_not}. Give --output FILE or --log FILE to have the results written.")
    warn(f"{why_not}; writing {written} only")
    return False


def _clip_rate(source: FrameSource) -> float:
    """Frames a second of the clip that is written."""
    rate = source.frames_per_second
    if not source.live:
        # Clips of variable rate announce the smallest step of their clock, up to a thousandth of a second.
        return min(rate or _SLIDE_RATE, _HIGHEST_CLIP_RATE)
    low, high = _CAMERA_RATES
    return rate if rate is not None and low <= rate <= high else _USUAL_RATE


def _play(player: Player | GroupPlayer, play: Callable[..., None], options: Options, with_window: bool) -> None:
    """Lets a player play, with a line about how it goes where there is no window, and prints what it came to."""
    if with_window:
        warn(f"in the window, {KEYS}")
    name = escape(options.title)
    status = Console(stderr=True, quiet=with_window or error_console().quiet).status(name)

    def show_progress() -> None:
        status.update(f"{name}: {player.summary.frames:,} frames, {player.fps_meter.frames_per_second or 0:.0f}/s")

    try:
        with status:
            play(max_frames=options.max_frames, on_progress=show_progress)
    finally:
        if options.log == STANDARD_OUTPUT:
            note(str(player.summary))
        else:
            print(player.summary)


def main(argv: list[str]) -> int:
    """Runs `femo live`; returns the exit code."""
    text = inspect.cleandoc(Options.__doc__ or "")
    keys = "".join(f"\n  {key}" for key in KEYS.split(", "))  # tyro keeps the break before a line that is indented
    description = f"{text}\n\nIn the window:{keys}\n\nCtrl-C also quits; files written so far are kept."
    arguments = replace_deprecated(argv, DEPRECATED_OPTIONS, DEPRECATED_VALUES)
    return run(parse(Options, "femo live", arguments, description=description))
