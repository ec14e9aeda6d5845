import sys
from types import ModuleType

import pytest
from femo_ros.optional import messages_of

from femo_jax.errors import ConfigError

HRI = ("hri_msgs", "publish_hri")


@pytest.fixture
def installed(monkeypatch):
    """Package hri_msgs, with nothing in it."""
    package, messages = ModuleType("hri_msgs"), ModuleType("hri_msgs.msg")
    monkeypatch.setitem(sys.modules, "hri_msgs", package)
    monkeypatch.setitem(sys.modules, "hri_msgs.msg", messages)
    return messages


@pytest.fixture
def missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "hri_msgs", None)
    monkeypatch.delitem(sys.modules, "hri_msgs.msg", raising=False)


@pytest.mark.parametrize(("wanted", "used"), [("auto", True), ("true", True), ("false", False)])
def test_an_installed_package_is_used_unless_it_is_not_wanted(installed, wanted, used):
    assert messages_of(*HRI, wanted) is (installed if used else None)


@pytest.mark.parametrize("wanted", ["auto", "false"])
def test_a_missing_package_is_no_error(missing, wanted):
    assert messages_of(*HRI, wanted) is None


def test_a_missing_package_that_is_wanted_is_an_error_that_says_what_to_do(missing):
    with pytest.raises(ConfigError, match=r"publish_hri is true, but package hri_msgs .* ros-\$ROS_DISTRO-hri-msgs"):
        messages_of(*HRI, "true")
