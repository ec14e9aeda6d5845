"""PyPI `fer` as a user has it by default, with Haar cascade and TFLite network; needs nothing of femo."""

from importlib.metadata import version

import numpy as np
from fer.fer import FER  # `from fer import FER` of its README fails in fer 25.10.3
from worker import Recognise, serve


class Fer:
    """fer knows no streams: every frame is scanned as a whole."""

    def __init__(self) -> None:
        self.detector = FER()

    def versions(self) -> dict[str, str]:
        """Of the packages that decide its speed."""
        return {name: version(name) for name in ("fer", "tensorflow", "opencv-contrib-python")}

    def start(self, mode: str) -> Recognise:
        """The same for each mode."""
        return lambda frame, time: [face["box"] for face in self.detector.detect_emotions(frame)]

    def classifier(self, faces: int):
        """Crops and classifies given boxes: fer's public interface has no classification alone."""
        frame = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
        boxes = [(40 + 30 * number, 40 + 20 * number, 96, 96) for number in range(faces)]
        return lambda: self.detector.detect_emotions(frame, boxes)


if __name__ == "__main__":
    serve(Fer)
