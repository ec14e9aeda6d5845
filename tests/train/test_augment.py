import jax
import jax.numpy as jnp
import numpy as np
import pytest

from femo_jax.train import augment as aug

KEY = jax.random.key(7)


@pytest.fixture(scope="module")
def images():
    """Smooth random images `[32, 48, 48, 1]` in 0..1."""
    coarse = jax.random.uniform(jax.random.key(1), (32, 6, 6, 1))
    return jax.image.resize(coarse, (32, 48, 48, 1), "linear")


def test_flip_mirrors_about_half_of_the_images(images):
    flipped = aug.random_flip(KEY, images)
    mirrored = np.array([bool(jnp.array_equal(a, b[:, ::-1])) for a, b in zip(flipped, images, strict=True)])
    kept = np.array([bool(jnp.array_equal(a, b)) for a, b in zip(flipped, images, strict=True)])
    assert np.all(mirrored ^ kept)
    assert 8 <= mirrored.sum() <= 24


def test_affine_of_strength_zero_changes_nothing(images):
    np.testing.assert_allclose(aug.random_affine(KEY, images, 0.0, 0.0, 0.0), images, atol=1e-5)


def test_translation_moves_by_at_most_its_strength():
    column = jnp.arange(48, dtype=jnp.float32)[None, None, :, None]
    ramp = jnp.broadcast_to(column, (64, 48, 48, 1))
    shifts = (ramp - aug.random_affine(KEY, ramp, 0.0, 0.0, 4.0))[:, 24, 10:38, 0]
    np.testing.assert_allclose(shifts, jnp.broadcast_to(shifts[:, :1], shifts.shape), atol=1e-3)
    assert jnp.abs(shifts).max() <= 4.0 + 1e-3
    assert shifts.max() > 2.0 and shifts.min() < -2.0


def test_rotation_turns_about_the_centre_by_at_most_its_strength():
    x = jnp.arange(48, dtype=jnp.float32)[None, None, :, None] - 23.5
    ramp = jnp.broadcast_to(x, (64, 48, 48, 1))
    turned = aug.random_affine(KEY, ramp, 30.0, 0.0, 0.0)[:, 14:34, 14:34, 0]
    down = turned[:, 15, 10] - turned[:, 5, 10]
    right = turned[:, 10, 15] - turned[:, 10, 5]
    angles = jnp.rad2deg(jnp.arctan2(down, right))
    np.testing.assert_allclose(jnp.hypot(down, right), 10.0, rtol=1e-3)
    np.testing.assert_allclose(turned.mean(axis=(1, 2)), 0.0, atol=1e-3)
    assert jnp.abs(angles).max() <= 30.0 + 1e-2
    assert angles.max() > 15.0 and angles.min() < -15.0


def test_zoom_stays_within_its_strength():
    x = jnp.arange(48, dtype=jnp.float32)[None, None, :, None] - 23.5
    zoomed = aug.random_affine(KEY, jnp.broadcast_to(x, (64, 48, 48, 1)), 0.0, 0.25, 0.0)
    factors = 10.0 / (zoomed[:, 24, 29, 0] - zoomed[:, 24, 19, 0])
    assert factors.min() >= 0.8 - 1e-3 and factors.max() <= 1.25 + 1e-3
    assert factors.min() < 0.9 and factors.max() > 1.1


def test_light_keeps_the_range_and_the_order_of_pixels(images):
    lit = aug.random_light(KEY, images, 0.3, 0.5)
    assert lit.min() >= 0.0 and lit.max() <= 1.0
    assert not jnp.allclose(lit, images)
    order = jnp.argsort(images.reshape(32, -1), axis=1)
    assert (jnp.diff(jnp.take_along_axis(lit.reshape(32, -1), order, axis=1)) >= -1e-6).all()


def test_erasing_replaces_one_rectangle_of_some_images(images):
    erased = aug.random_erasing(KEY, images, 0.5, (0.02, 0.2))
    changed = np.asarray(erased != images)[..., 0]
    touched = changed.any(axis=(1, 2))
    assert 6 <= touched.sum() <= 26
    assert changed.mean(axis=(1, 2)).max() <= 0.2 + 0.05
    for mask in changed[touched]:
        rows, columns = mask.any(axis=1), mask.any(axis=0)
        assert mask.sum() >= 0.98 * rows.sum() * columns.sum()


def test_erasing_with_probability_zero_changes_nothing(images):
    assert jnp.array_equal(aug.random_erasing(KEY, images, 0.0, (0.02, 0.2)), images)


def test_blur_is_gaussian_up_to_the_configured_deviation(images):
    """One bright pixel becomes a spot whose spread is that of the Gaussian."""
    point = jnp.zeros((64, 48, 48, 1)).at[:, 24, 20].set(1.0)
    spots = np.asarray(aug.random_blur(KEY, point, 1.5))[..., 0]
    np.testing.assert_allclose(spots.sum(axis=(1, 2)), 1.0, rtol=1e-4)
    rows, columns = np.arange(48) - 24, np.arange(48) - 20
    spread = np.sqrt((spots.sum(axis=2) * rows**2).sum(axis=1))
    np.testing.assert_allclose(np.sqrt((spots.sum(axis=1) * columns**2).sum(axis=1)), spread, atol=1e-3)
    assert spread.min() < 0.3 and 1.2 < spread.max() < 1.5
    np.testing.assert_allclose(aug.random_blur(KEY, jnp.full((2, 48, 48, 1), 0.4), 1.5), 0.4, rtol=1e-5)


def test_noise_differs_in_strength_and_stays_in_range(images):
    grey = jnp.full((64, 48, 48, 1), 0.5)
    spread = np.asarray(aug.random_noise(KEY, grey, 0.1)).std(axis=(1, 2, 3))
    assert spread.min() < 0.02 and 0.08 < spread.max() < 0.105
    noisy = aug.random_noise(KEY, images, 0.3)
    assert noisy.min() >= 0.0 and noisy.max() <= 1.0


def test_mixup_blends_with_the_reversed_batch(images):
    mixed, share = aug.mixup(KEY, images, 1.0)
    assert 0.0 < share < 1.0
    np.testing.assert_allclose(mixed, share * images + (1 - share) * images[::-1], atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_cutmix_takes_a_rectangle_of_the_partner_and_counts_its_pixels(seed):
    numbers = jnp.broadcast_to(jnp.arange(4.0)[:, None, None, None], (4, 48, 48, 1))
    mixed, share = aug.cutmix(jax.random.key(seed), numbers, 1.0)
    foreign = np.asarray(mixed != numbers)[..., 0]
    assert 1 - foreign[0].mean() == pytest.approx(float(share), abs=1e-6)
    rows, columns = np.any(foreign[0], axis=1), np.any(foreign[0], axis=0)
    np.testing.assert_array_equal(foreign[0], np.outer(rows, columns))
    np.testing.assert_array_equal(mixed[0][foreign[0]], 3.0)


def test_with_mixup_and_cutmix_each_takes_half_the_steps(images):
    config = aug.Augmentation(mixup=1.0, cutmix=1.0)
    mix = jax.jit(lambda key: aug.mix(key, images, config))
    whole = []
    for seed in range(20):
        mixed, _ = mix(jax.random.key(seed))
        whole.append(bool(jnp.all((mixed == images) | (mixed == images[::-1]))))
    assert 0 < sum(whole) < 20


def test_same_key_same_images_other_key_others(images):
    config = aug.Augmentation(erasing=0.5)
    step = jax.jit(lambda key: aug.augment(key, images, config))
    assert jnp.array_equal(step(KEY), step(KEY))
    assert not jnp.array_equal(step(KEY), step(jax.random.key(8)))


def test_noise_is_drawn_independently_of_light():
    """Each key is used once: else a dark image would always have little noise."""
    config = aug.Augmentation(flip=False, rotation=0, scale=0, translation=0, contrast=0, brightness=0.2, noise=0.1)
    grey = jnp.full((256, 48, 48, 1), 0.5)
    images = np.asarray(aug.augment(KEY, grey, config))
    correlation = np.corrcoef(images.mean(axis=(1, 2, 3)), images.std(axis=(1, 2, 3)))[0, 1]
    assert abs(correlation) < 0.2


def test_zero_strengths_change_nothing(images):
    off = aug.Augmentation(flip=False, rotation=0, scale=0, translation=0, brightness=0, contrast=0)
    assert jnp.array_equal(aug.augment(KEY, images, off), images)
