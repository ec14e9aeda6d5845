"""femo with its shipped model and default settings, in streams and in single images."""

from importlib.metadata import version

import numpy as np
from worker import Recognise, serve

from femo_jax import EmotionRecognizer


class Femo:
    """The recogniser, loaded and warmed up."""

    def __init__(self) -> None:
        self.recognizer = EmotionRecognizer.load()

    def versions(self) -> dict[str, str]:
        """Of the packages that decide its speed."""
        runtime = {"opencv": "opencv-python"}.get(self.recognizer.runtime, self.recognizer.runtime)
        return {name: version(name) for name in ("femo-jax", runtime, "opencv-python")}

    def start(self, mode: str) -> Recognise:
        """`stream` follows faces from frame to frame, as `femo live` does; `images` scans every frame as a whole."""
        if mode == "images":
            return lambda frame, time: [face.box for face in self.recognizer(frame)]
        stream = self.recognizer.stream()
        return lambda frame, time: [face.box for face in stream(frame, time).faces]

    def classifier(self, faces: int):
        """Classifies faces that are cropped already."""
        crops = np.random.default_rng(0).integers(0, 256, (faces, 48, 48), np.uint8)
        return lambda: self.recognizer.classify(crops)


if __name__ == "__main__":
    serve(Femo)
