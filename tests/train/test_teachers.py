import dataclasses
import json
import os
import signal
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from femo_jax.emotions import EMOTIONS
from femo_jax.errors import ConfigError
from femo_jax.model_file import LoadedModel, load_model_file, logits_function, save_model_file
from femo_jax.models import create_model
from femo_jax.ops import Choice
from femo_jax.preprocess import normalize
from femo_jax.train.augment import Augmentation
from femo_jax.train.checkpoints import load_for_inference, restore_newest
from femo_jax.train.config import TrainConfig
from femo_jax.train.loop import Interrupted, train
from femo_jax.train.preflight import check_network
from femo_jax.train.progress import SilentReporter
from femo_jax.train.steps import cross_entropy, eval_step, train_step
from femo_jax.train.teachers import load_teachers, teacher_function, teacher_probabilities
from femo_jax.train.workdir import read_records

EQUAL = jnp.ones(7)
KEY = jax.random.key(0)
XLA = Choice("xla", "float32", "")
STILL = Augmentation(flip=False, rotation=0, scale=0, translation=0, brightness=0, contrast=0)
MOVED = Augmentation(rotation=10, translation=3, erasing=0.5, mixup=1.0)


@pytest.fixture(scope="module")
def teacher():
    """A FemoNet with random weights and statistics, and a model file's temperature and normalisation."""
    options = {"widths": [6, 8], "blocks": 1, "num_classes": 7}
    network = create_model("femonet", **options)
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), np.zeros((1, 48, 48, 1), np.float32), train=False))
    rng = np.random.default_rng(3)
    variables = jax.tree.map(lambda leaf: rng.uniform(-0.5, 1.0, leaf.shape).astype(np.float32), shapes)
    variables["batch_stats"] = jax.tree.map(lambda leaf: np.abs(leaf) + 0.5, variables["batch_stats"])
    return LoadedModel("femonet", options, variables, mean=0.4, std=0.3, temperature=1.5)


@pytest.fixture(scope="module")
def views(train_tiles):
    """Eight images in 0..1."""
    return jnp.asarray(train_tiles.images[:8], jnp.float32) / 255


@pytest.fixture(scope="module")
def batch(train_tiles):
    labels = jnp.asarray(train_tiles.labels[:48])
    return {"image": jnp.asarray(train_tiles.images[:48]), "label": labels, "target": jax.nn.one_hot(labels, 7)}


@pytest.fixture
def distilled(tiny_config, teacher, tmp_path):
    """A configuration with a model file as its teacher."""
    path = tmp_path / "teacher.safetensors"
    save_model_file(path, teacher)
    return dataclasses.replace(
        tiny_config, teachers=(str(path),), distillation_weight=0.75, distillation_temperature=2.0
    )


class StopsAt(SilentReporter):
    """Sends this process a signal when a step is reached."""

    def __init__(self, step):
        self.step = step

    def advance(self, step, *_):
        if step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def losses(workdir):
    return [(record["loss"], record["accuracy"]) for record in read_records(workdir / "metrics.jsonl")]


def fixed(probabilities):
    """A teacher that gives the same probabilities for every image."""
    return lambda images: jnp.tile(jnp.log(jnp.asarray(probabilities)), (len(images), 1))


def test_a_teacher_gives_the_logits_of_its_model_file(teacher, views):
    given = teacher_function(teacher, EMOTIONS, XLA)(views)
    expected = logits_function(teacher)(views)
    assert given.dtype == jnp.float32
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-4)
    assert np.ptp(expected, axis=0).max() > 0.01  # the images matter


@pytest.mark.parametrize("dtype", ["bfloat16"])
def test_a_teacher_computes_in_the_dtype_of_the_student(dtype, implementation, teacher, views):
    function = teacher_function(teacher, EMOTIONS, Choice(implementation, dtype, ""))
    given = jax.jit(lambda function, images: function(images))(function, views)
    expected = logits_function(teacher)(views)
    assert given.dtype == jnp.float32
    np.testing.assert_allclose(given, expected, rtol=0.05, atol=0.05 * np.abs(expected).max())
    assert not np.array_equal(given, expected)


def test_classes_in_another_order_are_mapped_by_name(teacher, views):
    other = dataclasses.replace(teacher, classes=("Happiness", *(name for name in EMOTIONS if name != "happy")))
    given = teacher_function(other, EMOTIONS, XLA)(views)
    plain = teacher_function(teacher, EMOTIONS, XLA)(views)
    np.testing.assert_array_equal(given[:, EMOTIONS.index("happy")], plain[:, 0])
    np.testing.assert_array_equal(given[:, EMOTIONS.index("angry")], plain[:, 1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": 64}, "big.st takes images of 64 pixels: expected 48"),
        ({"classes": (*EMOTIONS[:-1], "contempt")}, "without surprise and with contempt besides. Expected angry, disg"),
        ({"classes": (*EMOTIONS, "contempt")}, "big.st has other classes than the data: with contempt besides"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused_by_name(changes, message, teacher):
    config = TrainConfig(teachers=("default", "big.st"), distillation_weight=0.5)
    models = {"default": teacher, "big.st": dataclasses.replace(teacher, **changes)}
    with pytest.raises(ConfigError, match=message):
        load_teachers(config, models.__getitem__, EMOTIONS)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"teachers": ("a",)}, "distillation_weight 0.0: one needs the other"),
        ({"teachers": ("a", ""), "distillation_weight": 0.5}, "expected the name of a model in each place"),
        ({"teachers": ("a",), "soft_labels": "f", "distillation_weight": 0.5}, "Leave out one of them"),
        ({"teachers": ("a",), "self_distillation": 0.5, "distillation_weight": 0.5}, "set one of them"),
        ({"soft_labels": "f", "distillation_temperature": 2.0, "distillation_weight": 0.5}, "expected 1 without teach"),
        ({"teachers": "a", "distillation_weight": 0.5}, r'expected a JSON list such as \["a","b"\]'),
        ({"teachers": ("a",), "distillation_weight": 0.5, "distillation_temperature": 0.0}, "a value from 0.1 to 100"),
    ],
)
def test_settings_of_distillation_that_do_not_fit_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**values)


def test_probabilities_are_the_mean_of_softened_ones(views):
    one, two = np.array([0.9, 0.1]), np.array([0.2, 0.8])
    np.testing.assert_allclose(teacher_probabilities([fixed(one), fixed(two)], views, 1.0)[0], [0.55, 0.45], rtol=1e-5)
    softened = [np.sqrt(each) / np.sqrt(each).sum() for each in (one, two)]
    given = teacher_probabilities([fixed(one), fixed(two)], views, 2.0)
    np.testing.assert_allclose(given[3], np.mean(softened, axis=0), rtol=1e-5)


@pytest.mark.parametrize("size", [48, 32])
def test_teacher_and_student_get_the_same_view(size, tiny_config, batch, new_state):
    """Augmented and mixed; the teacher at full size where the student begins at a lower one."""
    config = dataclasses.replace(tiny_config, augmentation=MOVED, teachers=("t",), distillation_weight=1.0)
    state = new_state(config)
    seen = {}

    def apply_fn(variables, images, **arguments):
        seen["student"] = images
        return state.apply_fn(variables, images, **arguments)

    def watching(images):
        seen["teacher"] = images
        return jnp.zeros((len(images), 7))

    train_step(state.replace(apply_fn=apply_fn), batch, EQUAL, KEY, (watching,), config=config, size=size)
    assert seen["teacher"].shape == (48, 48, 48, 1) and not np.allclose(seen["teacher"], batch["image"] / 255)
    reduced = jax.image.resize(seen["teacher"], (48, size, size, 1), "linear")
    np.testing.assert_allclose(normalize(reduced), seen["student"], atol=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_loss_is_that_of_labels_and_teachers_by_their_weight(temperature, tiny_config, batch, new_state):
    config = dataclasses.replace(
        tiny_config,
        model_options={"widths": (6, 8), "dropout": 0.0},
        augmentation=STILL,
        teachers=("t",),
        distillation_weight=0.6,
        distillation_temperature=temperature,
    )
    state = new_state(config)
    probabilities = np.array([0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05])
    taught = (fixed(probabilities),)
    after = train_step(state, batch | {"target": 0.4 * batch["target"]}, EQUAL, KEY, taught, config=config)
    logits, _ = state.apply_fn(
        state.variables,
        normalize(batch["image"]),
        train=True,
        mutable=["batch_stats"],
        rngs={"dropout": jax.random.key(0)},
    )
    softened = jax.nn.softmax(jnp.log(probabilities) / temperature)
    of_teacher = temperature**2 * cross_entropy(logits / temperature, jnp.tile(softened, (48, 1)))
    expected = 0.4 * cross_entropy(logits, batch["target"]) + 0.6 * of_teacher
    assert after.metrics.compute()["loss"] == pytest.approx(float(expected.mean()), rel=1e-5)


def test_class_weights_apply_to_what_the_teachers_say(tiny_config, batch, new_state):
    config = dataclasses.replace(tiny_config, teachers=("t",), distillation_weight=1.0)
    taught = [fixed([0.5, 0.5, 1e-9, 1e-9, 1e-9, 1e-9, 1e-9])]
    nothing = batch | {"target": jnp.zeros((48, 7))}
    weights = jnp.array([3.0, 1.0, 9.0, 9.0, 9.0, 9.0, 9.0])
    after = train_step(new_state(config), nothing, weights, KEY, taught, config=config)
    assert float(after.metrics.weight) == pytest.approx(48 * 2.0, rel=1e-5)


def test_a_student_learns_its_teachers_function_not_the_labels(tiny_config, batch, new_state):
    """The teacher calls bright images happy and dark ones sad, whatever their labels are."""

    def by_light(images):
        bright = images.mean((1, 2, 3)) > jnp.median(images.mean((1, 2, 3)))
        return 8.0 * jnp.where(bright[:, None], jax.nn.one_hot(3, 7), jax.nn.one_hot(5, 7))

    light = np.concatenate([np.full(24, 60, np.uint8), np.full(24, 190, np.uint8)])
    images = light[:, None, None, None] + np.random.default_rng(0).integers(0, 40, (48, 48, 48, 1)).astype(np.uint8)
    config = dataclasses.replace(
        tiny_config, learning_rate=0.1, augmentation=STILL, teachers=("t",), distillation_weight=1.0
    )
    state = new_state(config)
    step = jax.jit(partial(train_step, config=config))
    given = batch | {"image": jnp.asarray(images), "target": jnp.zeros((48, 7))}
    teachers = (jax.tree_util.Partial(by_light),)
    for _ in range(60):
        state = step(state, given, EQUAL, KEY, teachers)
    answers = jnp.where(jnp.arange(48) < 24, 5, 3)
    assert eval_step(state, given | {"label": answers, "mask": jnp.ones(48, bool)}).compute()["accuracy"] > 0.9


def test_weights_of_teachers_are_arguments_of_the_compiled_step(tiny_config, teacher, batch, new_state):
    """A constant in the program would be compiled in, and stored with it in JAX's cache."""
    config = dataclasses.replace(tiny_config, teachers=("t",), distillation_weight=0.5)
    function = teacher_function(teacher, EMOTIONS, XLA)
    program = jax.make_jaxpr(partial(train_step, config=config))(new_state(config), batch, EQUAL, KEY, (function,))
    assert max((np.size(constant) for constant in program.consts), default=0) <= 7
    assert len(jax.tree.leaves(function)) >= 7


def test_a_run_with_teachers_resumes_bit_for_bit_with_another_loader(
    distilled, train_tiles, validation_tiles, tmp_path, monkeypatch
):
    monkeypatch.setattr("femo_jax.train.loop.REPORT_EVERY", 1)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train(distilled, whole, train_tiles, validation_tiles, SilentReporter(), load_model=load_model_file)
    with pytest.raises(Interrupted):
        train(distilled, broken, train_tiles, validation_tiles, StopsAt(9), load_model=load_model_file)
    train(
        distilled, broken, train_tiles, validation_tiles, SilentReporter(), loader="numpy", load_model=load_model_file
    )
    assert losses(whole) == losses(broken)
    weights = [load_for_inference(workdir).variables for workdir in (whole, broken)]
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, *weights)))
    plain = dataclasses.replace(distilled, teachers=(), distillation_weight=0.0, distillation_temperature=1.0)
    train(plain, tmp_path / "plain", train_tiles, validation_tiles, SilentReporter())
    assert losses(whole)[0] != losses(tmp_path / "plain")[0]


def test_the_run_folder_identifies_the_teachers_and_does_not_hold_them(
    distilled, teacher, new_state, train_tiles, validation_tiles, tmp_path
):
    config = dataclasses.replace(distilled, epochs=1)
    train(config, tmp_path / "run", train_tiles, validation_tiles, SilentReporter(), load_model=load_model_file)
    record = json.loads((tmp_path / "run" / "config.json").read_text())
    assert record["config"]["teachers"] == list(config.teachers)
    (digest,) = record["data"]["teachers"]["sha256"]
    assert len(digest) == 64
    plain = dataclasses.replace(config, teachers=(), distillation_weight=0.0, distillation_temperature=1.0)
    restored = restore_newest(tmp_path / "run", new_state(plain))  # refuses arrays that a run without teachers lacks
    assert restored is not None and int(restored.state.step) == 6

    # The same bytes elsewhere resume; others do not.
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes((tmp_path / "teacher.safetensors").read_bytes())
    longer = dataclasses.replace(config, epochs=2, teachers=(str(moved),))
    train(longer, tmp_path / "run", train_tiles, validation_tiles, SilentReporter(), load_model=load_model_file)
    assert len(losses(tmp_path / "run")) == 4
    for changes in ({"temperature": 1.6}, {"variables": jax.tree.map(lambda leaf: leaf * 1.01, teacher.variables)}):
        save_model_file(moved, dataclasses.replace(teacher, **changes))
        with pytest.raises(ConfigError, match=rf"data\.teachers\.sha256: \['{digest}'\] before"):
            train(longer, tmp_path / "run", train_tiles, validation_tiles, SilentReporter(), load_model=load_model_file)


def test_a_teacher_that_fails_does_so_before_the_first_epoch(tiny_config):
    config = dataclasses.replace(tiny_config, teachers=("t",), distillation_weight=0.5)
    check_network(config, 7, [jax.tree_util.Partial(fixed(np.full(7, 1 / 7)))])
    with pytest.raises(ConfigError, match="fails in a training step"):
        check_network(config, 7, [jax.tree_util.Partial(fixed(np.full(5, 1 / 5)))])


def test_teachers_without_a_way_to_load_them_are_refused(distilled, train_tiles, validation_tiles, tmp_path):
    with pytest.raises(ConfigError, match="expected load_model"):
        train(distilled, tmp_path / "run", train_tiles, validation_tiles, SilentReporter())
    assert not (tmp_path / "run").exists()
