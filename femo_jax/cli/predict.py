"""`femo predict`: the emotions of the faces in pictures."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from femo_jax.cli.console import STANDARD_OUTPUT, give_json, make_room, say, say_written
from femo_jax.cli.outputs import check_outputs
from femo_jax.cli.pictures import Places, find_named, read_named
from femo_jax.errors import ConfigError, FemoError
from femo_jax.files import printable
from femo_jax.live.config import DetectorConfig, DrawConfig
from femo_jax.live.image import InputImage
from femo_jax.live.output.predictions import AnnotatedFolder, Prediction, write_csv
from femo_jax.live.recognizer import EmotionRecognizer, recognize_stills

_File = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]

_BATCH_PICTURES = 64
_BATCH_PIXELS = 2**24  # so that large pictures do not fill the memory


@dataclass(frozen=True)
class Options:
    """Finds the faces in pictures and says what emotion each shows."""

    pictures: Places
    """Files, folders, or patterns such as 'holiday/**/*.jpg'."""
    json: _File = None
    """Write a list of the pictures, each with its faces; - prints it."""
    csv: _File = None
    """Write a row a face; a picture without a face has none."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = None
    """Write annotated copies of the pictures to this folder."""
    model: Annotated[str | None, tyro.conf.arg(metavar="MODEL")] = None
    """A shipped model by name (default, small), a model file, or a run folder."""
    faces: Literal["detect", "whole"] = "detect"
    """whole: each picture is one cropped face, and nothing is searched for."""
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    draw: DrawConfig = field(default_factory=DrawConfig)

    def __post_init__(self) -> None:
        """Refuses to recognise nothing, with ConfigError."""
        if not self.pictures:
            raise ConfigError("no picture: expected `femo predict PICTURE ...`, or a folder of pictures.")


def run(options: Options) -> int:
    """Recognises the pictures and writes what was asked for; 1 where some could not be read."""
    unreadable: list[str] = []
    paths = find_named(options.pictures, unreadable)
    check_outputs(paths, {"--json": options.json, "--csv": options.csv, "--output": options.output})
    copies = AnnotatedFolder(options.output, paths, options.draw) if options.output is not None else None
    recognizer = EmotionRecognizer.load(options.model, options.detector)

    predictions = []
    for batch in _batches(read_named(_with_bar(paths), unreadable)):
        results = recognize_stills(recognizer, [picture for _, picture in batch], whole=options.faces == "whole")
        for (path, picture), result in zip(batch, results, strict=True):
            predictions.append(Prediction(path, result))
            if copies is not None:
                copies.write(predictions[-1], picture.bgr)

    _write(predictions, options)
    faces = sum(len(prediction.result.faces) for prediction in predictions)
    empty = [prediction.result for prediction in predictions if not prediction.result.faces]
    if empty:
        smallest = max(options.detector.sizes(each.width, each.height, still=True)[0] for each in empty)
        say(
            f"no face of {smallest:.0f} pixels or more in {len(empty):,} images;"
            " --detector.min-size PIXELS searches for smaller ones"
        )
    say(f"pictures: {len(predictions):,}, faces: {faces:,}, unreadable: {len(unreadable):,}")
    return 1 if unreadable else 0


def _with_bar(paths: Sequence[Path]) -> Iterable[Path]:
    """The paths, with a bar for the person who waits."""
    console = Console(stderr=True)
    return track(paths, "recognising", console=console, transient=True, disable=not console.is_terminal)


def _batches(pictures: Iterable[tuple[Path, InputImage]]) -> Iterator[list[tuple[Path, InputImage]]]:
    """Pictures whose faces are classified together: enough to be fast, and not too many for the memory."""
    batch, pixels = [], 0
    for path, picture in pictures:
        batch.append((path, picture))
        pixels += picture.width * picture.height
        if len(batch) == _BATCH_PICTURES or pixels >= _BATCH_PIXELS:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch


def _write(predictions: Sequence[Prediction], options: Options) -> None:
    """Gives what was asked for; a table where that is no file, or one that cannot be written."""
    if options.json is None and options.csv is None:
        _print_table(predictions)
    try:
        give_json(options.json, [prediction.as_dict() for prediction in predictions])
        say_written(options.json)
        if options.csv is not None:
            write_csv(options.csv, predictions)
            say_written(options.csv)
    except FemoError:
        if options.json != STANDARD_OUTPUT:
            _print_table(predictions)
        raise
    say_written(options.output)


def _print_table(predictions: Sequence[Prediction]) -> None:
    table = Table()
    table.add_column("picture", overflow="fold")
    table.add_column("x y w h")
    table.add_column("emotion")
    table.add_column("confidence", justify="right")
    for prediction in predictions:
        name = escape(printable(prediction.path))
        if not prediction.result.faces:
            table.add_row(name, "-", "no face", "-")
        for face in prediction.result.faces:
            box = " ".join(f"{round(value)}" for value in face.box)
            table.add_row(name, box, f"{face.label}{'?' if face.uncertain else ''}", f"{face.confidence:.0%}")
    console = Console()
    make_room(console, table)
    console.print(table)


def main(argv: list[str]) -> int:
    """Runs `femo predict`; returns the exit code."""
    return run(tyro.cli(Options, prog="femo predict", args=argv))
