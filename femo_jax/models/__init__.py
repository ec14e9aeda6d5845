"""Flax linen networks for 48x48 grey faces, and a registry of them by name."""
