"""Emotions of the faces in an image: detector, crops, and a network that was compiled when it was loaded."""

import itertools
import os
import time as clock
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np

from femo_jax.errors import ConfigError, FemoError, ModelFileError
from femo_jax.live.config import DetectorConfig, StreamConfig, TrackConfig
from femo_jax.live.detection import Detector, create_detector
from femo_jax.live.image import WHOLE_IMAGE, Box, CropGeometry, InputImage, crop_contrast, crop_faces
from femo_jax.live.results import FaceEmotion, FrameResult
from femo_jax.live.sources.images import read_image
from femo_jax.live.stream import EmotionStream
from femo_jax.onnx_model import OnnxModel
from femo_jax.prior import Prior, corrected, prior_weights, training_prior
from femo_jax.weights import load_for_recognition

if TYPE_CHECKING:
    from femo_jax.model_file import LoadedModel

ImageLike = np.ndarray | str | os.PathLike[str] | Any
"""An array, the path of an image file, or an image of Pillow."""

BATCH_SIZES = (1, 2, 4, 8, 16)
"""Numbers of faces for which the network is compiled."""

_loaded_in: set[int] = set()
"""Processes, this one or those that it was forked from, in which a recogniser was loaded."""


class EmotionRecognizer:
    """Finds the faces in an image and classifies the emotion of each.

    JAX compiles the network for one face when it is loaded, and for each of a few batch sizes when it is first needed;
    `compile` does all of them at once, as a stream does before its second frame. ONNX models run without JAX, and so do
    the shipped models where ONNX Runtime is installed, see `femo_jax.runtime`.
    Several threads may use one recogniser at once; femo's detectors let them wait for each other, the network does not.
    A process that is forked from one with a recogniser cannot recognise, since the threads of the network are not
    there: start processes with `spawn`, or load the recogniser in each of them and nowhere before.

    Attributes:
      model: the network and what is known of it; replacing it has no effect.
      detector: finds the faces; may be replaced at any time.
      uncertain_below: a face of less confidence is marked as uncertain.
      min_contrast: so is a face whose crop has less contrast, see `TrackConfig.min_contrast`.

    Examples:
      >>> recognizer = EmotionRecognizer.load()  # doctest: +SKIP
      >>> [(face.box, face.label, face.confidence) for face in recognizer("people.jpg")]  # doctest: +SKIP
    """

    def __init__(
        self,
        model: "LoadedModel | OnnxModel",
        detector: Detector,
        *,
        prior: Prior = None,
        batch_sizes: Sequence[int] = BATCH_SIZES,
        runtime: str | None = None,
    ) -> None:
        """Compiles a model for the smallest batch; `load` does so for a file.

        Args:
          model: the network.
          detector: finds the faces.
          prior: how frequent the classes are where the model is used, see `femo_jax.prior`: None for as frequent as in
            training, a name (`everyday`, `uniform`), or probabilities by class name.
          batch_sizes: numbers of faces for which the network is compiled, which takes a third of a second each the
            first time. See `classify` for how faces are divided among them, and `compile` for when. ONNX models take
            any number.
          runtime: what runs an ONNX model, `onnxruntime` or `opencv`; other models run on JAX. None for the runtime
            that the environment names, see `femo_jax.runtime`.

        Raises:
          ValueError: the batch sizes are not positive integers.
          ConfigError: the prior does not fit the model, or the runtime does not.
          ModelFileError: the network gives NaN or infinity.
          FemoError: this process was forked from one in which a recogniser was loaded.
        """
        _refuse_after_fork()
        _loaded_in.add(os.getpid())
        self.model = model
        self.detector = detector
        self.uncertain_below = TrackConfig().uncertain_below
        self.min_contrast = TrackConfig().min_contrast
        self.prior = prior
        self._network = _network(model, batch_sizes, runtime)
        self.classify(np.zeros((1, model.image_size, model.image_size), np.uint8))

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        detector: DetectorConfig | Detector | None = None,
        *,
        prior: Prior = None,
        batch_sizes: Sequence[int] = BATCH_SIZES,
        runtime: str | None = None,
    ) -> "EmotionRecognizer":
        """Loads a model, compiles it for the smallest batch and warms it up.

        The compiled network is kept in JAX's persistent cache, by default in femo's cache folder.

        Args:
          path: the name of a shipped model (`default`, `small`), a model file, a run folder, or an ONNX model of
            `femo export`, which runs without JAX; see `femo_jax.weights.load_for_recognition`. None for the default
            model.
          detector: one, or the settings of one; None for the default settings.
          prior: see `EmotionRecognizer`. Live recognition on the command line and in ROS takes `everyday`.
          batch_sizes: see `EmotionRecognizer`.
          runtime: `jax`, `onnxruntime`, `opencv` or `auto`, see `femo_jax.runtime`. None for the one that the
            environment variable FEMO_RUNTIME names, else `auto`.

        Raises:
          ModelFileError: the file is missing, damaged or of another femo.
          CheckpointError: the run folder holds no usable checkpoint.
          ConfigError: there is no model of that name, the prior or the runtime does not fit it, or the detector's file
            is missing or not what it should be.
          ValueError: the batch sizes are not positive integers.
        """
        if detector is None or isinstance(detector, DetectorConfig):
            detector = create_detector(detector or DetectorConfig())
        elif not hasattr(detector, "detect"):
            raise ConfigError(
                f"detector is {detector!r}; expected a DetectorConfig, such as"
                " DetectorConfig(kind='yunet', model=FILE), or an object with a method `detect`."
            )
        model = load_for_recognition(path, runtime)
        return cls(model, detector, prior=prior, batch_sizes=batch_sizes, runtime=runtime)

    @property
    def prior(self) -> Prior:
        """How frequent the classes are where the model is used; may be replaced at any time (ConfigError)."""
        return self._prior

    @prior.setter
    def prior(self, prior: Prior) -> None:
        training = training_prior(self.model.training, self.model.classes)
        self._weights = prior_weights(prior, self.model.classes, training)
        self._prior = prior

    @property
    def class_names(self) -> tuple[str, ...]:
        """The class names of the model, in the order of the probabilities."""
        return self.model.classes

    @property
    def runtime(self) -> str:
        """What computes the network: `jax`, `onnxruntime` or `opencv`."""
        return self._network.runtime

    def __repr__(self) -> str:
        model, detector = self.model, type(self.detector).__name__
        network = f"{model.architecture}, {model.image_size}x{model.image_size}, {len(self.class_names)} classes"
        return f"EmotionRecognizer({network}, {self.runtime}, {detector})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an EmotionRecognizer cannot be pickled, since it holds compiled code."
            " Call EmotionRecognizer.load() in each process instead."
        )

    def __call__(self, image: ImageLike | InputImage) -> list[FaceEmotion]:
        """The faces of a single image, in the detector's order; none is no error.

        Args:
          image: an array in any form that `InputImage` takes (BGR, BGRA or grey), an image of Pillow, or the path of an
            image file.

        Raises:
          ValueError: the image is not one.
          SourceError: the file is missing or is no image.
        """
        image = _input(image)
        return self._faces(image, self.detector.detect(image), self.detector.geometry)

    def cropped(self, image: ImageLike | InputImage) -> FaceEmotion:
        """The emotion of an image that is a face and nothing else, as those of FER-2013 are.

        Of an image that is not square, the square of the same area around its middle is taken; where that leaves the
        image, the pixels at the edge are repeated.

        Args:
          image: as `__call__` takes it.

        Raises:
          ValueError: the image is not one.
          SourceError: the file is missing or is no image.
        """
        image = _input(image)
        return self._faces(image, [image.box], WHOLE_IMAGE)[0]

    def whole(self, image: ImageLike | InputImage) -> FaceEmotion:
        """Deprecated name of `cropped`."""
        warnings.warn("EmotionRecognizer.whole is deprecated; use cropped", DeprecationWarning, stacklevel=2)
        return self.cropped(image)

    def classify(self, faces: np.ndarray) -> np.ndarray:
        """Calibrated probabilities of the emotions of cropped faces, by the prior of the place of use.

        They are divided among the batch sizes, the largest first: five are a batch of four and one of one. A batch
        that is nearly full is filled up with blank ones. All calls are started before the first is waited for.

        Args:
          faces: `[n, 48, 48] uint8`, grey; n may be 0.

        Returns:
          `[n, c] float32` in the order of `class_names`; each row has the sum 1.

        Raises:
          ValueError: other shape or dtype.
          ModelFileError: the network gives NaN or infinity for these faces.
          FemoError: this process was forked from the one in which the recogniser was loaded.
        """
        _refuse_after_fork()
        size = self.model.image_size
        if not isinstance(faces, np.ndarray) or faces.shape[1:] != (size, size) or faces.dtype != np.uint8:
            got = f"{list(faces.shape)} {faces.dtype}" if isinstance(faces, np.ndarray) else type(faces).__name__
            raise ValueError(f"expected faces [n, {size}, {size}] uint8, got {got}; `crop_faces` makes them")
        probabilities = self._network(faces)
        if not np.isfinite(probabilities).all():
            raise _not_finite(self.model)
        return probabilities if (self._weights == 1).all() else corrected(probabilities, self._weights)

    def compile(self) -> None:
        """Compile the network for all batch sizes, so that nothing is compiled afterwards.

        Without it each batch size is compiled when it is first needed, and the first classification of so many faces
        takes longer: a tenth of a second, or half of one where JAX's cache is empty.
        """
        self._network.compile()

    def with_detector(self, detector: Detector) -> "EmotionRecognizer":
        """The same compiled network with another detector, as for a second stream that must not wait for the first."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, detector=detector)
        return other

    def stream(self, config: StreamConfig | None = None, numbers: Iterator[int] | None = None) -> EmotionStream:
        """Recognition in frames that follow each other, with steady tracks; each camera needs a stream of its own.

        Args:
          config: settings; None for the defaults.
          numbers: ids of new tracks, see `EmotionStream`; share them among cameras for ids that are unique in the
            process. None: from 1 on.
        """
        return EmotionStream(self, config, numbers)

    def _faces(self, image: InputImage, boxes: Sequence[Box], geometry: CropGeometry) -> list[FaceEmotion]:
        crops = crop_faces(image.grey, boxes, geometry, self.model.image_size)
        return self._emotions(boxes, crops)

    def _emotions(self, boxes: Sequence[Box], crops: np.ndarray) -> list[FaceEmotion]:
        """The emotions of crops `[n, 48, 48] uint8` that stand alone, each with its box."""
        return [
            FaceEmotion.of_still(
                box,
                probabilities,
                contrast,
                self.class_names,
                uncertain_below=self.uncertain_below,
                min_contrast=self.min_contrast,
            )
            for box, probabilities, contrast in zip(boxes, self.classify(crops), crop_contrast(crops), strict=True)
        ]


def _refuse_after_fork() -> None:
    """The threads of a network do not survive a fork: what they should compute is waited for without end."""
    if _loaded_in and os.getpid() not in _loaded_in:
        raise FemoError(
            "this process was forked after a recogniser was loaded, where its network would wait without end. Load the"
            " recogniser in each child process and nowhere before, or start the processes with"
            " multiprocessing.get_context('spawn')."
        )


def _input(image: ImageLike | InputImage) -> InputImage:
    """Any image that a caller may have, as pixels."""
    if isinstance(image, str | os.PathLike):
        return InputImage(read_image(Path(image)))
    if image is None:
        raise ValueError("the image is None, as cv2.imread returns it for a file that it cannot read. Check the path.")
    if hasattr(image, "convert") and hasattr(image, "getbands"):  # of Pillow, which femo does not need
        from PIL import ImageOps

        upright: Any = ImageOps.exif_transpose(image)  # pyright: ignore[reportArgumentType]
        image = np.asarray(upright.convert("RGBA"))[..., [2, 1, 0, 3]]
    return InputImage.of(image)


def recognize_stills(
    recognizer: EmotionRecognizer, images: Sequence[InputImage], *, cropped: bool = False, time: float = 0.0
) -> list[FrameResult]:
    """Recognises images that have nothing to do with each other; all their faces are classified together.

    Args:
      recognizer: finds and classifies.
      images: one or more.
      cropped: each image is one face and nothing else: no detection.
      time: given to all results, in seconds.

    Returns:
      A result an image, in their order, with faces as `recognizer` (or `recognizer.cropped`) gives them. The time of
      inference is shared out evenly.
    """
    found, detection_ms = [], []
    for image in images:
        began = clock.perf_counter()
        found.append([image.box] if cropped else recognizer.detector.detect(image))
        detection_ms.append(1000 * (clock.perf_counter() - began))

    began = clock.perf_counter()
    geometry = WHOLE_IMAGE if cropped else recognizer.detector.geometry
    crops = [
        crop_faces(image.grey, boxes, geometry, recognizer.model.image_size)
        for image, boxes in zip(images, found, strict=True)
    ]
    emotions = iter(recognizer._emotions([*itertools.chain(*found)], np.concatenate(crops)))
    faces = [list(itertools.islice(emotions, len(boxes))) for boxes in found]
    inference_ms = 1000 * (clock.perf_counter() - began) / len(images)

    return [
        FrameResult(
            faces=faces[index],
            time=time,
            width=image.width,
            height=image.height,
            detection_ms=detection_ms[index],
            inference_ms=inference_ms,
            full_scan=not cropped,
        )
        for index, image in enumerate(images)
    ]


class _Network(Protocol):
    runtime: str

    def __call__(self, faces: np.ndarray) -> np.ndarray: ...

    def compile(self) -> None: ...


def _network(model: "LoadedModel | OnnxModel", batch_sizes: Sequence[int], runtime: str | None) -> _Network:
    """A function of faces `[n, h, w] uint8` that gives `[n, classes] float32`; JAX is imported for its own models."""
    if not batch_sizes or not all(isinstance(size, int) and size > 0 for size in batch_sizes):
        raise ValueError(f"batch sizes are {batch_sizes!r}; expected integers above 0, at least one")
    if isinstance(model, OnnxModel):
        from femo_jax.live.onnx_network import OnnxNetwork

        return OnnxNetwork(model, runtime)
    from femo_jax.live.jax_network import JaxNetwork

    return JaxNetwork(model, batch_sizes)


def _not_finite(model: "LoadedModel | OnnxModel") -> ModelFileError:
    return ModelFileError(
        f"the network {model.architecture!r} gives NaN or infinity. Export a checkpoint from before the run diverged."
    )
