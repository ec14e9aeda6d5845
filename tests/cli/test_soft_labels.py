import numpy as np

from femo_jax.cli.main import main
from femo_jax.evaluate.predict import predict_probabilities
from femo_jax.model_file import load_model_file, logits_function, save_model_file
from femo_jax.train.targets import load_soft_labels


def test_writes_the_mean_of_the_networks_on_the_training_split(
    random_model, train_tiles, tmp_path, monkeypatch, capsys
):
    asked = []

    def load_split(data, split):
        asked.append((data, split))
        return train_tiles

    monkeypatch.setattr("femo_jax.data.load.load_split", load_split)
    other = random_model.variables["params"]["head"]["kernel"] + 10 * np.eye(7, dtype=np.float32)[5]
    params = random_model.variables["params"] | {"head": random_model.variables["params"]["head"] | {"kernel": other}}
    turned = type(random_model)("simple_cnn", random_model.options, random_model.variables | {"params": params})
    files = [tmp_path / "one.safetensors", tmp_path / "two.safetensors"]
    for file, model in zip(files, (random_model, turned), strict=True):
        save_model_file(file, model, "float32")
    target = tmp_path / "soft.safetensors"
    assert main(["soft-labels", *map(str, files), "--data", "faces.zip", "-o", str(target), "--tta", "none"]) == 0
    assert asked == [("faces.zip", "train")]
    each = [predict_probabilities(logits_function(model), train_tiles.images) for model in (random_model, turned)]
    assert not np.allclose(*each, atol=1e-3)
    np.testing.assert_allclose(load_soft_labels(target, train_tiles), np.mean(each, axis=0), atol=1e-6)
    assert "2 models, 96 images" in capsys.readouterr().err
    again = ["soft-labels", str(files[0]), "--data", "faces.zip", "-o", str(files[0])]
    assert main(again) == 2
    assert "is also an input" in capsys.readouterr().err


def test_writes_to_standard_output(random_model, train_tiles, tmp_path, monkeypatch, capfdbinary):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("femo_jax.data.load.load_split", lambda *_: train_tiles)
    save_model_file("one.safetensors", random_model)
    assert main(["soft-labels", "one.safetensors", "--data", "faces.zip", "-o", "-", "--tta", "none"]) == 0
    (tmp_path / "soft.safetensors").write_bytes(capfdbinary.readouterr().out)
    expected = predict_probabilities(logits_function(load_model_file("one.safetensors")), train_tiles.images)
    np.testing.assert_allclose(load_soft_labels("soft.safetensors", train_tiles), expected, atol=1e-6)
    assert not (tmp_path / "-").exists()


def test_without_a_model_it_is_refused(capsys):
    try:
        code = main(["soft-labels", "--data", "faces.zip"])
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert "MODEL" in capsys.readouterr().err
