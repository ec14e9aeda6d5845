import dataclasses
import os
from pathlib import Path

import jax
import numpy as np
import pytest

from femo_jax import weights
from femo_jax.data.splits import SPLITS, Split
from femo_jax.emotions import EMOTIONS
from femo_jax.errors import ConfigError, ModelFileError
from femo_jax.evaluate import run
from femo_jax.evaluate.calibration import cross_fitted_ece, fit_temperature
from femo_jax.evaluate.corruptions import CORRUPTIONS, corrupt
from femo_jax.evaluate.metrics import report
from femo_jax.evaluate.predict import predict_probabilities
from femo_jax.model_file import LoadedModel, load_model_file, logits_function, rounded, save_model_file


@pytest.fixture
def split() -> Split:
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (11, 48, 48, 1), np.uint8)
    return Split(images, rng.integers(0, 7, 11).astype(np.int32), np.array([f"image {i}" for i in range(11)]))


@pytest.fixture
def asked(monkeypatch, split) -> list[tuple]:
    """Has `load_split` give the split above, with other images to train on; the list of what it was asked for."""
    calls = []

    def load_split(data, name):
        calls.append((data, name))
        return split._replace(images=255 - split.images) if name == "train" else split

    monkeypatch.setattr(run, "load_split", load_split)
    monkeypatch.setattr(run, "available_splits", lambda _: SPLITS)
    return calls


@pytest.fixture
def model_path(random_model, tmp_path) -> Path:
    save_model_file(tmp_path / "model.safetensors", random_model, "float32")
    return tmp_path / "model.safetensors"


def test_accuracy_counts_each_image_once(random_model, model_path, split, asked):
    report = run.evaluate(model_path, "faces.zip", "test", batch_size=4).report
    predicted = np.asarray(jax.jit(logits_function(random_model))(split.images)).argmax(axis=1)
    assert asked == [("faces.zip", "test"), ("faces.zip", "train")]
    assert report["accuracy"] == np.mean(predicted == split.labels)
    assert report["n"] == np.sum(report["confusion"]) == 11
    assert (report["architecture"], report["split"], report["tta"]) == ("simple_cnn", "test", "none")


def test_images_that_are_in_the_training_split_too(random_model, model_path, split, monkeypatch):
    splits = {"train": Split(*(array[:4] for array in split[:3])), "validation": split}
    monkeypatch.setattr(run, "load_split", lambda _, name: splits[name])
    monkeypatch.setattr(run, "available_splits", lambda _: list(splits))
    result = run.evaluate(model_path, "faces.zip").report
    predicted = np.asarray(jax.jit(logits_function(random_model))(split.images)).argmax(axis=1)
    right = (predicted == split.labels)[4:]
    assert (result["without_overlap"]["n"], result["without_overlap"]["accuracy"]) == (7, right.mean())
    assert "without_overlap" not in run.evaluate(model_path, "faces.zip", "train").report
    splits["test"] = splits.pop("validation")
    del splits["train"]
    assert "without_overlap" not in run.evaluate(model_path, "faces.zip", "test").report, (
        "nobody knows what it was trained on"
    )


def test_workdir_means_its_best_checkpoint(random_model, model_path, asked, tmp_path, monkeypatch):
    from femo_jax.train import checkpoints

    loaded_from = []

    def load_for_inference(workdir: Path) -> LoadedModel:
        loaded_from.append(workdir)
        return random_model

    monkeypatch.setattr(checkpoints, "load_for_inference", load_for_inference)
    assert run.evaluate(os.fspath(tmp_path), "drawn").report == run.evaluate(model_path, "drawn").report
    assert loaded_from == [tmp_path]


def test_a_model_may_be_given_by_its_name(model_path, asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(weights, "__file__", str(tmp_path / "__init__.py"))
    model_path.rename(tmp_path / "femonet-base.safetensors")
    assert run.evaluate("default", "drawn").report == run.evaluate("femonet-base", "drawn").report
    with pytest.raises(ConfigError, match=r"no model 'small' ships with femo; choose one of default, femonet-base, or"):
        run.evaluate("small", "drawn")


def test_corruptions_are_evaluated_where_they_are_asked_for(random_model, model_path, split, asked):
    assert "robustness" not in run.evaluate(model_path, "drawn").report
    progress = []
    result = run.evaluate(model_path, "drawn", tta="flip", corruptions=True, on_progress=progress.append).report
    network = logits_function(random_model)
    blurred = corrupt("defocus, sigma 2", split.images)
    probabilities = predict_probabilities(network, blurred, tta="flip")
    found = result["robustness"]["corrupted"]["defocus, sigma 2"]
    assert found["accuracy"] == report(probabilities, split.labels, EMOTIONS)["accuracy"]
    assert found["confidence"] == pytest.approx(probabilities.max(axis=1).mean())
    assert result["robustness"]["clean"]["accuracy"] == result["accuracy"]
    assert progress[1:] == ["clean images", *CORRUPTIONS]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"split": "PublicTest"}, ConfigError, "unknown split 'PublicTest'; expected one of train, validation, test"),
        ({"tta": "two"}, ConfigError, "unknown test-time augmentation 'two'"),
        ({"model": "nowhere.safetensors"}, ModelFileError, "no such model file"),
    ],
)
def test_wrong_words_are_told_before_the_data_is_read(model_path, asked, arguments, error, message):
    with pytest.raises(error, match=message):
        run.evaluate(**{"model": model_path, "data": "drawn", **arguments})
    assert not asked


@pytest.fixture
def unsure_model(random_model, split) -> LoadedModel:
    """Logits of a few units: with those of random weights, all is lost whatever the temperature."""
    logits = np.asarray(jax.jit(logits_function(random_model))(split.images))
    variables = jax.tree.map(np.copy, random_model.variables)
    variables["params"]["head"]["kernel"] *= 2 / np.abs(logits).max()
    return dataclasses.replace(random_model, variables=variables)


def test_calibration_makes_the_model_as_sure_as_it_is_right(unsure_model, split, asked):
    surer = dataclasses.replace(unsure_model, temperature=0.2, training={"epochs": 3})
    calibrated = run.calibrate(surer, "faces.zip")
    assert asked == [("faces.zip", "validation")]

    logits = np.asarray(jax.jit(logits_function(unsure_model))(split.images))
    assert calibrated.temperature == pytest.approx(fit_temperature(logits, split.labels), rel=1e-3)
    assert calibrated.training["epochs"] == 3
    assert calibrated.variables is unsure_model.variables

    measured = {}
    for name, temperature in (("before", 1.0), ("after", calibrated.temperature)):
        model = dataclasses.replace(unsure_model, temperature=temperature)
        measured[name] = report(predict_probabilities(logits_function(model), split.images), split.labels, EMOTIONS)
    calibration, evaluation = calibrated.training["calibration"], calibrated.training["evaluation"]
    for key in ("nll", "ece"):
        assert calibration[key] == pytest.approx({name: measured[name][key] for name in measured}, rel=1e-4)
    assert calibration["nll"]["after"] < calibration["nll"]["before"]
    assert calibration["cross_fitted_ece"] == pytest.approx(cross_fitted_ece(logits, split.labels, 5, 0), rel=1e-3)
    assert (calibration["split"], calibration["n"], calibration["folds"], calibration["seed"]) == (
        "validation",
        11,
        5,
        0,
    )
    assert (evaluation["split"], evaluation["n"]) == ("validation", 11)
    for key in ("accuracy", "accuracy_interval", "macro_f1"):
        assert evaluation[key] == measured["before"][key]
    assert evaluation["recall"] == {label: of["recall"] for label, of in measured["before"]["per_class"].items()}


def test_a_calibrated_model_can_be_written(random_model, tmp_path, asked):
    calibrated = run.calibrate(rounded(random_model, "float16"), "drawn")
    save_model_file(tmp_path / "calibrated.safetensors", calibrated, "float16")
    loaded = load_model_file(tmp_path / "calibrated.safetensors")
    assert (loaded.temperature, loaded.training) == (calibrated.temperature, calibrated.training)
    jax.tree.map(np.testing.assert_array_equal, loaded.variables, calibrated.variables)


def test_data_with_other_classes_are_evaluated_over_all_classes_and_over_those_in_common(
    random_model, model_path, split, asked, monkeypatch
):
    names = ("Happiness", "anger", "contempt")
    other = split._replace(labels=np.arange(11, dtype=np.int32) % 3, class_names=names)
    monkeypatch.setattr(run, "load_split", lambda data, name: other)
    result = run.evaluate(model_path, "faces.zip", "train")
    assert result.report["left_out"] == {
        "model_classes": ["disgust", "fear", "neutral", "sad", "surprise"],
        "data_classes": ["contempt"],
        "images": 3,
    }
    assert result.report["n"] == result.report["common_classes"]["n"] == 8
    assert list(result.report["common_classes"]["per_class"]) == ["angry", "happy"]
    predicted = result.probabilities[:, [0, 3]].argmax(axis=1)  # angry and happy
    right = predicted == np.where(other.labels[other.labels < 2] == 1, 0, 1)
    assert result.report["common_classes"]["accuracy"] == pytest.approx(right.mean())
    with pytest.raises(ConfigError, match="expected the same in the same order"):
        run.calibrate(random_model, "faces.zip", "train")
