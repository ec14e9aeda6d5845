"""`femo predict`: the emotions of the faces in images."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from femo_jax.cli.arguments import (
    DEPRECATED_DETECTOR_OPTIONS,
    PRIOR_HELP,
    Images,
    OptionalModel,
    OutputFile,
    Plugins,
    check_outputs,
    load_plugins,
    replace_deprecated,
)
from femo_jax.cli.console import (
    STANDARD_OUTPUT,
    error_console,
    give_json,
    give_text,
    note,
    print_table,
    warn,
    wrote,
)
from femo_jax.cli.images import downloaded, find_named, is_animation, note_images_without_faces, read_named
from femo_jax.cli.parsing import parse
from femo_jax.errors import ConfigError, FemoError, SourceError
from femo_jax.files import printable
from femo_jax.live.config import DetectorConfig, DrawConfig
from femo_jax.live.image import InputImage
from femo_jax.live.output.records import AnnotatedFolder, Prediction, csv_text
from femo_jax.live.recognizer import EmotionRecognizer, recognize_stills
from femo_jax.live.sources.addresses import is_address
from femo_jax.prior import DEFAULT_PRIOR, TRAINING, Prior, parse_prior

DEPRECATED_VALUES = {"--faces": {"whole": "cropped"}}

_IMAGES_HELP = "Files, folders, patterns such as 'holiday/**/*.jpg', or http(s) addresses."
_BATCH_IMAGES = 64
_BATCH_PIXELS = 2**24  # so that large images do not fill the memory


@dataclass(frozen=True)
class CopyDrawConfig(DrawConfig):
    """What is drawn on a copy."""

    # Images that stand alone have neither tracks nor a frame rate.
    ids: Annotated[bool, tyro.conf.Suppress] = True
    status: Annotated[bool, tyro.conf.Suppress] = True


@dataclass(frozen=True)
class Options:
    """Recognise the emotion of every face in images.

    Example: femo predict holiday/*.jpg --csv faces.csv --output annotated/
    """

    images: Annotated[Images, tyro.conf.arg(metavar="IMAGE [IMAGE ...]", help=_IMAGES_HELP, help_behavior_hint="")]
    json: OutputFile = None
    """Write the images, each with its faces, as JSON; - is standard output."""
    csv: OutputFile = None
    """Write one CSV row for each face; - is standard output."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = None
    """Write annotated copies of the images to this folder."""
    model: OptionalModel = None
    prior: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="PRIOR",
            help=PRIOR_HELP,
            help_behavior_hint=f"(default: {DEFAULT_PRIOR}, {TRAINING} with --faces cropped)",
        ),
    ] = None
    plugin: Plugins = ()
    faces: Literal["detect", "cropped"] = "detect"
    """detect: search for faces; cropped: each image is one face crop, and nothing is detected."""
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    draw: CopyDrawConfig = field(default_factory=CopyDrawConfig)

    def __post_init__(self) -> None:
        """Checks that there is something to recognise; raises ConfigError."""
        if not self.images:
            raise ConfigError("no image: expected `femo predict IMAGE ...`, or a folder of images.")


def run(options: Options) -> int:
    """Recognises the images and writes what was asked for; 1 if some could not be read, or a copy not be written."""
    unreadable: list[str] = []
    left_out: list[Path] = []
    with downloaded(options.images, unreadable) as addresses:
        named = find_named([place for place in options.images if not is_address(place)], unreadable, left_out)
        paths = [*named, *addresses]
        outputs = {"--json": options.json, "--csv": options.csv, "--output": options.output}
        check_outputs(outputs, folders=("--output",), inputs=paths, model=options.model)
        if not paths:
            raise _nothing(options)
        copies = AnnotatedFolder(options.output, paths, options.draw) if options.output is not None else None
        load_plugins(options.plugin)
        recognizer = EmotionRecognizer.load(options.model, options.detector, prior=_prior(options))
        animations = 0
        failures: list[str] = []
        predictions = []
        for batch in _batches(read_named(_with_bar(paths), unreadable)):
            results = recognize_stills(recognizer, [image for _, image in batch], cropped=options.faces == "cropped")
            for (path, image), result in zip(batch, results, strict=True):
                prediction = Prediction(path, result, addresses.get(path))
                predictions.append(prediction)
                animations += is_animation(path)
                if copies is not None:
                    _attempt(failures, copies.write, prediction, image.bgr)

    if not predictions:
        raise _nothing(options)
    _write(predictions, recognizer.class_names, options, failures)
    note_images_without_faces([prediction.result for prediction in predictions], options.detector)
    counts = [
        ("images", len(predictions)),
        ("faces", sum(len(prediction.result.faces) for prediction in predictions)),
        ("unreadable", len(unreadable)),
        ("other files left out", len(left_out)),
        ("animations of which the first frame was taken", animations),
        ("results not written", len(failures)),
    ]
    note(", ".join(f"{name}: {count:,}" for name, count in counts[:3] + [pair for pair in counts[3:] if pair[1]]))
    return 1 if unreadable or failures else 0


def _prior(options: Options) -> Prior:
    """The prior that was asked for; face crops are usually of a data set, and whole images are not."""
    if options.prior is not None:
        return parse_prior(options.prior)
    return TRAINING if options.faces == "cropped" else DEFAULT_PRIOR


def _nothing(options: Options) -> SourceError:
    places = ", ".join(printable(place) for place in options.images)
    return SourceError(
        f"no image to recognise in {places}. Name images, or folders of them; femo live takes clips and cameras."
    )


def _attempt(failures: list[str], write: Callable[..., None], *arguments: Any) -> None:
    """Writes a result; a failure, which must not cost the other results, is reported and counted."""
    try:
        write(*arguments)
    except FemoError as error:
        warn(str(error))
        failures.append(str(error))


def _with_bar(paths: Sequence[Path]) -> Iterable[Path]:
    """The paths, with a progress bar on a terminal."""
    console = error_console()
    return track(paths, "recognising", console=console, transient=True, disable=not console.is_terminal)


def _batches(images: Iterable[tuple[Path, InputImage]]) -> Iterator[list[tuple[Path, InputImage]]]:
    """Images whose faces are classified together: enough to be fast, and not too many for the memory."""
    batch, pixels = [], 0
    for path, image in images:
        batch.append((path, image))
        pixels += image.width * image.height
        if len(batch) == _BATCH_IMAGES or pixels >= _BATCH_PIXELS:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch


def _write(
    predictions: Sequence[Prediction], class_names: Sequence[str], options: Options, failures: list[str]
) -> None:
    """Writes json and csv; prints a table if neither was asked for, or one cannot be written."""
    before = len(failures)
    if options.json is not None:
        _attempt(failures, give_json, options.json, [prediction.as_dict() for prediction in predictions])
        if len(failures) == before:
            wrote(options.json)
    written = len(failures)
    if options.csv is not None:
        _attempt(failures, give_text, options.csv, csv_text(predictions, class_names))
        if len(failures) == written:
            wrote(options.csv)
    on_screen = STANDARD_OUTPUT in (options.json, options.csv)
    if (options.json is None and options.csv is None) or (len(failures) > before and not on_screen):
        _print_table(predictions)
    if options.output is not None and options.output.is_dir():
        wrote(options.output)


def _print_table(predictions: Sequence[Prediction]) -> None:
    table = Table()
    table.add_column("image", overflow="fold")
    table.add_column("x y w h")
    table.add_column("emotion")
    table.add_column("confidence", justify="right")
    for prediction in predictions:
        name = escape(printable(prediction.name))
        if not prediction.result.faces:
            table.add_row(name, "-", "no face", "-")
        for face in prediction.result.faces:
            box = " ".join(f"{round(value)}" for value in face.box)
            table.add_row(name, box, f"{face.label}{'?' if face.uncertain else ''}", f"{face.confidence:.0%}")
    print_table(table)


def main(argv: list[str]) -> int:
    """Runs `femo predict`; returns the exit code."""
    return run(parse(Options, "femo predict", replace_deprecated(argv, DEPRECATED_DETECTOR_OPTIONS, DEPRECATED_VALUES)))
