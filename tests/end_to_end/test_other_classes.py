"""Three classes from class folders, and FER+'s eight: from `femo data prepare` to every output of the model."""

import contextlib
import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from femo_jax.cli.main import main
from femo_jax.data.drawn import draw_face
from femo_jax.data.ferplus import CLASSES, VOTES
from femo_jax.emotions import Emotion, canonical_name
from femo_jax.live.output.video import VideoWriter

pytestmark = pytest.mark.usefixtures("unoptimised")

CONFIG = """
from femo_jax.train.augment import Augmentation
from femo_jax.train.config import TrainConfig

config = TrainConfig(
    model_options={"widths": (4,)},
    augmentation=Augmentation(rotation=0, scale=0, translation=0, brightness=0, contrast=0),
    epochs=1,
    batch_size=16,
    eval_batch_size=16,
)
"""
DRAWN = {"frown": Emotion.SAD, "gasp": Emotion.SURPRISE, "smile": Emotion.HAPPY, "contempt": Emotion.DISGUST}


def class_folders(folder: Path) -> list[str]:
    """Writes 12 drawn faces of 96x96 pixels of each of three classes; gives the words after `femo data prepare`."""
    rng = np.random.default_rng(0)
    for name in ("frown", "gasp", "smile"):
        (folder / "faces" / name).mkdir(parents=True)
        for number in range(12):
            face = cv2.resize(draw_face(DRAWN[name], rng), (96, 96))
            cv2.imwrite(str(folder / "faces" / name / f"p{number}.png"), face)
    return [str(folder / "faces"), "--val-fraction", "0.25", "--group", r"p\d+"]


def voted_csv(folder: Path) -> list[str]:
    """Writes FER-2013's csv with FER+'s own file of votes: three drawn faces of each of eight classes in two splits."""
    rng = np.random.default_rng(1)
    images, votes = [("emotion", "pixels", "Usage")], [("Usage", "Image name", *VOTES[:-1], "NF")]
    for usage in ("Training", "PublicTest"):
        for seen in VOTES[:8] * 3:
            name = canonical_name(seen)
            emotion = DRAWN[name] if name in DRAWN else Emotion.from_label(name)
            images.append((str(emotion.csv_code), " ".join(map(str, draw_face(emotion, rng).ravel())), usage))
            votes.append((usage, "", *(str(8 * (seen == each) + (each == "unknown")) for each in VOTES)))
    for name, rows in (("fer2013.csv", images), ("fer2013new.csv", votes)):
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    return [str(folder / "fer2013.csv"), "--labels", "ferplus", "--ferplus", str(folder / "fer2013new.csv")]


def femo(*words: object) -> str:
    """What a command prints, which must succeed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main([str(word) for word in words]) == 0, words
    return printed.getvalue()


@pytest.fixture(
    scope="module",
    params=[(class_folders, ("frown", "gasp", "smile")), (voted_csv, CLASSES)],
    ids=["three classes", "eight classes"],
)
def chain(request, tmp_path_factory):
    """What each command of the chain wrote or printed."""
    write, names = request.param
    folder = tmp_path_factory.mktemp("chain")
    data, run, model = folder / "data", folder / "run", folder / "model.safetensors"
    (folder / "tiny.py").write_text(CONFIG)
    face = cv2.resize(draw_face(Emotion.HAPPY, np.random.default_rng(2)), (96, 96))
    cv2.imwrite(str(folder / "face.png"), face)
    with VideoWriter(folder / "clip.mp4", 25.0) as clip:
        for _ in range(4):
            clip.write(cv2.cvtColor(face, cv2.COLOR_GRAY2BGR))
    found = SimpleNamespace(names=names, folder=folder, run=run)
    found.prepared = femo("data", "prepare", *write(folder), "--data-dir", data)
    found.audit = json.loads(femo("data", "audit", data, "--json", "-"))
    training = ["train", folder / "tiny.py", "--ops", "xla", "--data", data, "--workdir", run]
    femo(*training)
    femo(*training, "--epochs", "2")
    report = femo("evaluate", run, "--data", data, "--split", "validation", "--json", "-")
    found.evaluated = json.loads(report)
    femo("export", run, "-o", model, "--calibrate-on", data)
    found.tuned = folder / "tuned"
    tuning = ["train", "finetune", "--init", model, "--epochs", "1", "--batch-size", "16"]
    femo(*tuning, "--ops", "xla", "--loader", "numpy", "--data", data, "--workdir", found.tuned)
    of_model = ["--model", model, "--faces", "cropped"]
    found.predicted = json.loads(femo("predict", folder / "face.png", *of_model, "--json", "-"))
    log = folder / "faces.jsonl"
    femo("live", folder / "clip.mp4", *of_model, "--no-window", "--log", log, "--output", folder / "annotated.mp4")
    found.log = [json.loads(line) for line in log.read_text().splitlines()]
    explained = femo("explain", folder / "face.png", *of_model, "-o", folder / "why.png", "--json", "-", "--steps", "2")
    found.explained = json.loads(explained)
    return found


def test_prepared_data_have_the_classes(chain):
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in chain.prepared.splitlines() if "│" in line]
    counts = {row[0]: row[1:] for row in rows}
    for name in chain.names:
        assert counts[name] == (["9", "3"] if len(chain.names) == 3 else ["3", "3"])
    assert sum(chain.audit["images"].values()) == (36 if len(chain.names) == 3 else 48)


def test_a_run_is_resumed_with_the_classes(chain):
    epochs = [json.loads(line)["epoch"] for line in (chain.run / "metrics.jsonl").read_text().splitlines()]
    assert sorted(set(epochs)) == [1, 2] and epochs.count(1) == epochs.count(2)
    assert json.loads((chain.run / "config.json").read_text())["data"]["classes"]["names"] == list(chain.names)


def test_the_packaged_recipe_fine_tunes_the_model(chain):
    record = json.loads((chain.tuned / "config.json").read_text())
    assert record["fine_tuning"]["head"]["copied"] == list(chain.names)
    assert record["config"]["model_options"]["widths"] == [4]
    assert (chain.tuned / "metrics.jsonl").read_text().count('"validation"') == 1


def test_the_report_has_the_classes(chain):
    assert list(chain.evaluated["per_class"]) == list(chain.names)
    assert np.shape(chain.evaluated["confusion"]) == (len(chain.names),) * 2
    assert np.sum(chain.evaluated["confusion"]) == chain.evaluated["n"] == (9 if len(chain.names) == 3 else 24)


def test_predictions_have_the_classes(chain):
    ((face,),) = [image["faces"] for image in chain.predicted]
    assert list(face["probabilities"]) == list(chain.names) and face["label"] in chain.names
    assert sum(face["probabilities"].values()) == pytest.approx(1.0, abs=1e-3)


def test_tracks_of_a_clip_have_the_classes(chain):
    faces = [face for record in chain.log for face in record.get("faces", ())]
    assert faces and all(list(face["probabilities"]) == list(chain.names) for face in faces)
    assert (chain.folder / "annotated.mp4").stat().st_size > 1000


def test_explanations_have_the_classes(chain):
    ((face,),) = [image["faces"] for image in chain.explained["images"]]
    assert face["explanations"] and all(each["label"] in chain.names for each in face["explanations"])
    assert (chain.folder / "why.png").stat().st_size > 5000
