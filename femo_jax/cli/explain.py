"""`femo explain`: what the network looks at in the faces of images."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import tyro

from femo_jax.cli.arguments import (
    Count,
    Images,
    OptionalModel,
    OutputFile,
    Plugins,
    check_outputs,
    load_plugins,
    replace_deprecated,
)
from femo_jax.cli.console import counted, give_json, note, wrote
from femo_jax.cli.parsing import parse
from femo_jax.errors import ConfigError
from femo_jax.explain.faces import STEPS, Baseline, Explainer
from femo_jax.files import printable
from femo_jax.live.config import DetectorConfig

if TYPE_CHECKING:
    from femo_jax.figures.explanation import ExplainedFace
    from femo_jax.live.results import FaceEmotion


@dataclass(frozen=True)
class Options:
    """Draw what the network looks at in each face: Grad-CAM, LayerCAM and Integrated Gradients.

    Example: femo explain people.jpg -o explain.png
    """

    images: Images
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("explain.png")
    """The figure: .png, .pdf or .svg; - writes a PNG to standard output."""
    json: OutputFile = None
    """Write boxes, probabilities, logits and maps as JSON; - prints them."""
    emotion: Annotated[str | None, tyro.conf.arg(metavar="CLASS")] = None
    """Explain this class, such as happy, instead of the most likely one."""
    top: Count = 1
    """Explain the N most likely classes of each face."""
    layer: Annotated[int | None, tyro.conf.arg(metavar="CELLS")] = None
    """Take both maps at the last layer of this height in cells. By default Grad-CAM uses the last layer, and LayerCAM
    the last one with at least 12 cells."""
    baseline: Baseline = "grey"
    """Baseline image of Integrated Gradients: the mean grey of the training data, black or white."""
    steps: Count = STEPS
    """Number of integration steps of Integrated Gradients, 1 to 4096."""
    model: OptionalModel = None
    plugin: Plugins = ()
    faces: Literal["detect", "cropped"] = "detect"
    """detect: search for faces; cropped: each image is one face crop, and nothing is detected."""
    detector: DetectorConfig = field(default_factory=DetectorConfig)

    def __post_init__(self) -> None:
        """Refuses what cannot be explained, with ConfigError."""
        if not self.images:
            raise ConfigError("no image: expected `femo explain IMAGE ...`, or a folder of images.")
        if self.top < 1:
            raise ConfigError(f"--top is {self.top}; expected at least 1.")
        if self.emotion is not None and self.top > 1:
            raise ConfigError("--emotion and --top exclude each other. Give one of them.")


def run(options: Options) -> int:
    """Explains the faces and draws them; 1 if an image could not be read or there is no face."""
    # These need OpenCV and matplotlib.
    from femo_jax.cli.images import find_named, note_images_without_faces, read_named
    from femo_jax.figures import explanation as figure
    from femo_jax.figures.style import check_format
    from femo_jax.live.detection import create_detector
    from femo_jax.live.image import WHOLE_IMAGE, DetectedFace, crop_faces
    from femo_jax.live.output.records import Prediction
    from femo_jax.live.recognizer import EmotionRecognizer, recognize_stills
    from femo_jax.weights import load_for_recognition

    check_format(options.output)
    unreadable: list[str] = []
    paths = find_named(options.images, unreadable)
    outputs = {"--output": options.output, "--json": options.json}
    check_outputs(outputs, inputs=paths, model=options.model or "default")
    load_plugins(options.plugin)
    model = load_for_recognition(options.model, "jax")
    recognizer = EmotionRecognizer(model, create_detector(options.detector))
    _check_classes(options, model.classes)
    explainer = Explainer(model, layer=options.layer, baseline=options.baseline, steps=options.steps)
    cropped = options.faces == "cropped"
    geometry = WHOLE_IMAGE if cropped else recognizer.detector.geometry
    found, faces = [], 0
    for path, image in read_named(paths, unreadable):  # one at a time, of which the crops alone are kept
        (result,) = recognize_stills(recognizer, [image], cropped=cropped)
        faces += len(result.faces)
        figure.check_count(faces)
        boxes = [DetectedFace.of(face.box, face.score, face.landmarks) for face in result.faces]
        crops = crop_faces(image.grey, boxes, geometry, recognizer.model.image_size)
        found.append((Prediction(path, result), crops))

    rows, records = [], []
    for prediction, crops in found:
        record = prediction.as_dict()
        for number, (face, crop) in enumerate(zip(prediction.result.faces, crops, strict=True), start=1):
            name = printable(prediction.path.name) + (f", {number}" if len(crops) > 1 else "")
            explanations = [explainer(crop, label) for label in _labels(face, options)]
            rows.append(figure.ExplainedFace(name, crop, face.probabilities, explanations))
            record["faces"][number - 1]["explanations"] = [explanation.as_dict() for explanation in explanations]
        records.append(record)

    if rows:
        figure.draw_faces(rows, explainer, options.output)
        wrote(options.output)
    give_json(options.json, {**explainer.as_dict(), "images": records})
    wrote(options.json)
    note_images_without_faces([prediction.result for prediction, _ in found], options.detector)
    _summarize(rows, len(found), unreadable)
    return 1 if unreadable or not rows else 0


def _check_classes(options: Options, class_names: tuple[str, ...]) -> None:
    """Refuses what a model with these classes cannot explain, with ConfigError."""
    if options.top > len(class_names):
        raise ConfigError(f"--top is {options.top}; expected 1 to {len(class_names)}, the number of classes.")
    if options.emotion is not None and options.emotion not in class_names:
        raise ConfigError(f"--emotion is {options.emotion}; expected a class of the model: {', '.join(class_names)}.")


def _labels(face: "FaceEmotion", options: Options) -> list[str]:
    """The classes to be explained."""
    if options.emotion is not None:
        return [options.emotion]
    order = np.argsort(-face.probabilities, kind="stable")
    return [face.class_names[index] for index in order[: options.top]]


def _summarize(rows: "Sequence[ExplainedFace]", images: int, unreadable: Sequence[str]) -> None:
    """Notes what was explained, and how far Integrated Gradients are from complete."""
    note(f"{counted(images, 'image')}, {counted(len(rows), 'face')}, {len(unreadable):,} unreadable")
    if rows:
        worst = max((one for row in rows for one in row.explanations), key=lambda one: abs(one.gap))
        note(
            f"Integrated Gradients: largest completeness error {abs(worst.gap):.2g}"
            f" (logit difference {worst.logit - worst.baseline_logit:+.2f})"
        )


def main(argv: list[str]) -> int:
    """Runs `femo explain`; returns the exit code."""
    arguments = replace_deprecated(argv, {}, {"--faces": {"whole": "cropped"}})
    return run(parse(Options, "femo explain", arguments))
