"""What the tests of the players share."""

import pytest

from femo_jax.live.playing import player, several


@pytest.fixture
def undrawn(monkeypatch):
    """Frames pass undrawn; gives the statuses that would have been drawn on them."""
    statuses = []

    def draw(image, faces, config, status):
        statuses.append(status)
        return image

    for module in (player, several):
        monkeypatch.setattr(module, "draw", draw)
    return statuses
