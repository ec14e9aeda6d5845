from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from femo_jax.data.drawn import FACES_PER_CLASS, draw_face, drawn_split
from femo_jax.data.splits import SPLITS
from femo_jax.emotions import EMOTIONS, Emotion
from femo_jax.errors import DataError
from femo_jax.models import create_model
from femo_jax.preprocess import normalize


@pytest.fixture(scope="module")
def splits():
    return {split: drawn_split(split) for split in SPLITS}


def test_each_split_has_its_faces_of_every_emotion(splits):
    for name, split in splits.items():
        n = FACES_PER_CLASS[name] * 7
        assert split.images.shape == (n, 48, 48, 1) and split.images.dtype == np.uint8
        assert split.labels.dtype == np.int32 and split.votes is None
        assert np.bincount(split.labels).tolist() == [FACES_PER_CLASS[name]] * 7
        assert len(set(split.names)) == n


def test_names_carry_the_label(splits):
    for name, label in zip(splits["test"].names, splits["test"].labels, strict=True):
        assert name.startswith(f"drawn/test/{EMOTIONS[label]}_")


def test_classes_are_mixed(splits):
    assert len(set(splits["train"].labels[:50])) == 7


def test_the_same_faces_every_time(splits):
    again = drawn_split("validation")
    np.testing.assert_array_equal(again.images, splits["validation"].images)
    np.testing.assert_array_equal(again.labels, splits["validation"].labels)


def test_no_face_is_drawn_twice(splits):
    faces = [image.tobytes() for split in splits.values() for image in split.images]
    assert len(set(faces)) == len(faces)


def test_no_face_is_blank(splits):
    assert np.ptp(splits["train"].images, axis=(1, 2, 3)).min() > 20


@pytest.mark.parametrize("emotion", [emotion for emotion in Emotion if emotion is not Emotion.NEUTRAL])
def test_an_emotion_changes_the_features_and_nothing_else(emotion):
    neutral = draw_face(Emotion.NEUTRAL, np.random.default_rng(3)).astype(int)
    changed = np.abs(draw_face(emotion, np.random.default_rng(3)) - neutral) > 0
    assert changed.sum() > 100
    assert not changed[:4].any() and not changed[:, :4].any() and not changed[:, -4:].any()


def test_unknown_split():
    with pytest.raises(DataError, match=r"no split 'private'.*train, validation, test"):
        drawn_split("private")


def test_pixels_alone_do_not_give_the_emotion_away(splits):
    """A linear classifier (ridge regression on the pixels) stays far below what a small CNN reaches."""
    train, test = splits["train"], splits["test"]

    def pixels(split):
        return split.images.reshape(len(split.images), -1) / 255.0 - 0.5

    x, y = pixels(train), np.eye(7)[train.labels]
    weights = x.T @ np.linalg.solve(x @ x.T + 100 * np.eye(len(x)), y - y.mean(0))
    accuracy = np.mean((pixels(test) @ weights).argmax(1) == test.labels)
    assert accuracy < 0.75


@pytest.mark.integration
def test_a_small_cnn_learns_them(splits):
    train, test = splits["train"], splits["test"]
    model = create_model("femonet", widths=(8, 16, 32), dropout=0.0)
    variables = jax.jit(partial(model.init, train=False))(jax.random.key(0), jnp.zeros((1, 48, 48, 1)))
    epochs, batch = 5, 50
    steps = len(train.labels) // batch
    optimizer = optax.adam(optax.cosine_decay_schedule(3e-3, epochs * steps))

    @jax.jit
    def step(variables, opt_state, images, labels):
        def loss(params):
            logits, updated = model.apply(
                variables | {"params": params}, normalize(images), train=True, mutable=["batch_stats"]
            )
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), updated

        gradients, updated = jax.grad(loss, has_aux=True)(variables["params"])
        updates, opt_state = optimizer.update(gradients, opt_state)
        return {"params": optax.apply_updates(variables["params"], updates)} | updated, opt_state

    opt_state = optimizer.init(variables["params"])
    rng = np.random.default_rng(0)
    for _ in range(epochs):
        for chosen in rng.permutation(len(train.labels)).reshape(steps, batch):
            variables, opt_state = step(variables, opt_state, train.images[chosen], train.labels[chosen])
    logits = jax.jit(partial(model.apply, train=False))(variables, normalize(test.images))
    assert np.mean(logits.argmax(1) == test.labels) > 0.8  # 0.89 to 0.95, by the version of JAX; 0.14 by chance
