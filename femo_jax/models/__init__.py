"""Flax linen networks for 48x48 grey faces, and a registry of them by name."""

from femo_jax.models.cost import Cost, Limits, Outline, model_cost, outline
from femo_jax.models.femonet import FemoNet
from femo_jax.models.mini_xception import MiniXception
from femo_jax.models.plugins import load_plugin
from femo_jax.models.registry import (
    check_options,
    create_model,
    model_class,
    model_names,
    model_options,
    register,
    with_classes,
)
from femo_jax.models.simple_cnn import SimpleCNN

__all__ = [
    "Cost",
    "FemoNet",
    "Limits",
    "MiniXception",
    "Outline",
    "SimpleCNN",
    "check_options",
    "create_model",
    "load_plugin",
    "model_class",
    "model_cost",
    "model_names",
    "model_options",
    "outline",
    "register",
    "with_classes",
]
