"""On the real data: the accuracy that femo reports is that of plain OpenCV, NumPy and the folder names."""

import csv
import json
import zipfile

import cv2
import numpy as np
import pytest

from femo_jax.model_file import load_model_file, logits_function

FOLDERS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
CSV_CODES = {"angry": 0, "disgust": 1, "fear": 2, "happy": 3, "sad": 4, "surprise": 5, "neutral": 6}
PER_CLASS = 80
STILL = [
    word
    for name in ("rotation", "scale", "translation", "brightness", "contrast")
    for word in (f"--augmentation.{name}", "0")
]
"""Without augmentation, a network learns so few images sooner."""


@pytest.fixture(scope="module")
def images(fer2013):
    """Some images of each split and class as a list of usage, folder, `[48, 48] uint8` image and jpg bytes."""
    if not zipfile.is_zipfile(fer2013):
        pytest.skip("this test reads the zip form itself")
    chosen = []
    with zipfile.ZipFile(fer2013) as archive:
        names = sorted(archive.namelist())
        for top, usage in (("train", "Training"), ("test", "PublicTest")):
            for folder in FOLDERS:
                some = [name for name in names if f"{top}/{folder}/{usage}_" in name][:PER_CLASS]
                for name in some:
                    data = archive.read(name)
                    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
                    chosen.append((usage, folder, image, name, data))
    return chosen


@pytest.fixture(scope="module")
def forms(images, tmp_path_factory):
    """The same images as the csv form and as the folder form."""
    root = tmp_path_factory.mktemp("forms")
    with (root / "fer2013.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["emotion", "pixels", "Usage"])
        for usage, folder, image, _, _ in images:
            writer.writerow([CSV_CODES[folder], " ".join(map(str, image.ravel())), usage])
    for _, _, _, name, data in images:
        path = root / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return {"csv": root / "fer2013.csv", "folder": root / "folder"}


@pytest.mark.real_data
@pytest.mark.integration
@pytest.mark.parametrize("form", ["csv", "folder"])
def test_reported_accuracy_is_that_of_plain_numpy(femo, images, forms, form, tmp_path):
    workdir, model, report = tmp_path / "run", tmp_path / "model.safetensors", tmp_path / "report.json"
    learns = ["--model-options", '{"widths": [8, 16, 24]}', "--epochs", "10", "--learning-rate", "0.05", *STILL]
    femo.run(*femo.train_arguments(workdir, "--data", forms[form], *learns))
    femo.run("export", workdir, "-o", model, "--dtype", "float32")
    femo.run("evaluate", model, "--data", forms[form], "--split", "validation", "--json", report)

    public = [(folder, image) for usage, folder, image, _, _ in images if usage == "PublicTest"]
    labels = np.array([FOLDERS.index(folder) for folder, _ in public])
    logits = logits_function(load_model_file(model))(np.stack([image for _, image in public])[..., None])
    predicted = np.asarray(logits).argmax(axis=1)

    reported = json.loads(report.read_text())
    assert reported["n"] == len(labels)
    assert reported["accuracy"] == pytest.approx((predicted == labels).mean())
    confusion = np.zeros((7, 7), int)
    np.add.at(confusion, (labels, predicted), 1)
    assert reported["confusion"] == confusion.tolist()
    # A network that had been shown mixed labels would not beat chance on the right ones.
    assert reported["accuracy"] > 1.3 / 7
