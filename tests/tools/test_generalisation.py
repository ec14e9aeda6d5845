"""The study of augmentation: what its candidates train."""

import dataclasses

import pytest

from femo_jax.train.config import load_config
from tools.generalisation import CANDIDATES, configuration


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_candidates_differ_in_the_augmentation_alone(candidate):
    recipe, control = load_config("femonet-small"), configuration("as in the recipe")
    assert control.augmentation == recipe.augmentation
    assert (control.init, control.soft_labels) == ("small", recipe.soft_labels)
    config = configuration(candidate)
    assert dataclasses.replace(config, augmentation=control.augmentation) == control
    changed = {
        field.name
        for field in dataclasses.fields(config.augmentation)
        if getattr(config.augmentation, field.name) != getattr(control.augmentation, field.name)
    }
    assert changed == CANDIDATES[candidate].keys()
