"""Flax linen networks for 48x48 grey faces, and a registry of them by name."""

from femo_jax.models.cost import Cost, model_cost
from femo_jax.models.femonet import FemoNet
from femo_jax.models.mini_xception import MiniXception
from femo_jax.models.registry import create_model, model_class, model_names, model_options, register
from femo_jax.models.simple_cnn import SimpleCNN

__all__ = [
    "Cost",
    "FemoNet",
    "MiniXception",
    "SimpleCNN",
    "create_model",
    "model_class",
    "model_cost",
    "model_names",
    "model_options",
    "register",
]
