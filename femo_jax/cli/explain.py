"""`femo explain`: what the network looks at in the faces of pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import tyro

from femo_jax.cli.console import give_json, say, say_written
from femo_jax.cli.outputs import check_outputs
from femo_jax.cli.pictures import Places, find_named, read_named
from femo_jax.emotions import EMOTIONS
from femo_jax.errors import ConfigError
from femo_jax.explain.faces import STEPS, Baseline, Explainer
from femo_jax.files import printable
from femo_jax.live.config import DetectorConfig
from femo_jax.live.image import WHOLE_IMAGE, crop_faces
from femo_jax.live.output.predictions import Prediction
from femo_jax.live.recognizer import EmotionRecognizer, recognize_stills

if TYPE_CHECKING:
    from femo_jax.figures.explanation import ExplainedFace

Label = Literal["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]


@dataclass(frozen=True)
class Options:
    """Draws what the network looks at in each face: probabilities, Grad-CAM, LayerCAM and Integrated Gradients."""

    pictures: Places
    """Files, folders, or patterns such as 'holiday/**/*.jpg'."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FIGURE")] = Path("explain.png")
    """The figure: .png, .pdf or .svg."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write the numbers: boxes, probabilities, logits and cells of the maps; - prints them."""
    emotion: Label | None = None
    """Explain this emotion, in place of the most likely one."""
    top: Annotated[int, tyro.conf.arg(metavar="N")] = 1
    """Explain the N most likely emotions of each face."""
    layer: Annotated[int | None, tyro.conf.arg(metavar="CELLS")] = None
    """Cells a side of the layer of both maps; by default those of the last layer, and for LayerCAM 12 or more."""
    baseline: Baseline = "grey"
    """The plain picture that Integrated Gradients begins with: the mean grey of the training data, black or white."""
    steps: Annotated[int, tyro.conf.arg(metavar="N")] = STEPS
    """Steps of Integrated Gradients from there to the face."""
    model: Annotated[str | None, tyro.conf.arg(metavar="MODEL")] = None
    """A shipped model by name (default, small), a model file, or a run folder."""
    faces: Literal["detect", "whole"] = "detect"
    """whole: each picture is one cropped face, and nothing is searched for."""
    detector: DetectorConfig = field(default_factory=DetectorConfig)

    def __post_init__(self) -> None:
        """Refuses what cannot be explained, with ConfigError."""
        if not self.pictures:
            raise ConfigError("no picture: expected `femo explain PICTURE ...`, or a folder of pictures.")
        if not 1 <= self.top <= len(EMOTIONS):
            raise ConfigError(f"--top is {self.top}; expected 1 to {len(EMOTIONS)}.")
        if self.emotion is not None and self.top > 1:
            raise ConfigError(
                "--emotion and --top exclude each other: name one emotion, or ask for the most likely ones."
            )


def run(options: Options) -> int:
    """Explains the faces and draws them; 1 where a picture could not be read, or where there is no face."""
    from femo_jax.figures import explanation as figure  # which needs matplotlib
    from femo_jax.figures.style import check_format

    check_format(options.output)
    unreadable: list[str] = []
    paths = find_named(options.pictures, unreadable)
    check_outputs(paths, {"--output": options.output, "--json": options.json})
    recognizer = EmotionRecognizer.load(options.model, options.detector)
    explainer = Explainer(recognizer.model, layer=options.layer, baseline=options.baseline, steps=options.steps)
    whole = options.faces == "whole"
    geometry = WHOLE_IMAGE if whole else recognizer.detector.geometry
    found, faces = [], 0
    for path, picture in read_named(paths, unreadable):  # one at a time, of which the crops alone are kept
        (result,) = recognize_stills(recognizer, [picture], whole=whole)
        faces += len(result.faces)
        figure.check_count(faces)
        boxes = [face.box for face in result.faces]
        crops = crop_faces(picture.grey, boxes, geometry, recognizer.model.image_size)
        found.append((Prediction(path, result), crops))

    rows, records = [], []
    for prediction, crops in found:
        record = prediction.as_dict()
        for number, (face, crop) in enumerate(zip(prediction.result.faces, crops, strict=True), start=1):
            name = printable(prediction.path.name) + (f", {number}" if len(crops) > 1 else "")
            explanations = [explainer(crop, label) for label in _labels(face.probabilities, options)]
            rows.append(figure.ExplainedFace(name, crop, face.probabilities, explanations))
            record["faces"][number - 1]["explanations"] = [explanation.as_dict() for explanation in explanations]
        records.append(record)

    if rows:
        figure.draw_faces(rows, explainer, options.output)
        say_written(options.output)
    give_json(options.json, {**explainer.as_dict(), "pictures": records})
    say_written(options.json)
    _tell(rows, len(found), unreadable)
    return 1 if unreadable or not rows else 0


def _labels(probabilities: np.ndarray, options: Options) -> list[str]:
    """The emotions to be explained."""
    if options.emotion is not None:
        return [options.emotion]
    return [EMOTIONS[index] for index in np.argsort(-probabilities, kind="stable")[: options.top]]


def _tell(rows: "Sequence[ExplainedFace]", pictures: int, unreadable: Sequence[str]) -> None:
    """Says what was explained, and how far Integrated Gradients are from complete."""
    say(f"pictures: {pictures:,}, faces: {len(rows):,}, unreadable: {len(unreadable):,}")
    if rows:
        worst = max((one for row in rows for one in row.explanations), key=lambda one: abs(one.gap))
        say(
            f"Integrated Gradients: the sums miss the differences of the logits by at most {abs(worst.gap):.2g}"
            f" (of {worst.logit - worst.baseline_logit:+.2f})"
        )


def main(argv: list[str]) -> int:
    """Runs `femo explain`; returns the exit code."""
    return run(tyro.cli(Options, prog="femo explain", args=argv))
