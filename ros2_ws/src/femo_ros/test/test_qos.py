from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from femo_ros.qos import Offer, image_profile, offers, unheard, wants_reliable
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

RELIABLE = Offer("/camera", True)
BEST_EFFORT = Offer("/driver", False)


@pytest.mark.parametrize(
    ("mode", "offered", "reliable"),
    [
        ("auto", [], True),
        ("auto", [RELIABLE], True),
        ("auto", [BEST_EFFORT], False),
        ("auto", [RELIABLE, BEST_EFFORT], False),  # best effort hears both
        ("reliable", [BEST_EFFORT], True),
        ("sensor_data", [RELIABLE], False),
    ],
)
def test_the_subscription_asks_for_what_all_publishers_offer(mode, offered, reliable):
    assert wants_reliable(mode, offered) == reliable


def test_a_reliable_subscription_does_not_hear_best_effort():
    assert unheard(True, [RELIABLE, BEST_EFFORT]) == [BEST_EFFORT]
    assert unheard(False, [RELIABLE, BEST_EFFORT]) == []


def test_offers_name_the_node_and_are_in_a_fixed_order():
    def publisher(name, namespace, reliability):
        return SimpleNamespace(
            node_name=name, node_namespace=namespace, qos_profile=SimpleNamespace(reliability=reliability)
        )

    found = offers(
        [
            publisher("driver", "/", ReliabilityPolicy.BEST_EFFORT),
            publisher("camera", "/front", ReliabilityPolicy.RELIABLE),
            publisher("bridge", "/", ReliabilityPolicy.UNKNOWN),  # as other middleware has it: nothing to fear
            publisher("_NODE_NAME_UNKNOWN_", "_NODE_NAMESPACE_UNKNOWN_", ReliabilityPolicy.RELIABLE),
        ]
    )
    assert list(map(str, found)) == [
        "/bridge (reliable)",
        "/driver (best effort)",
        "/front/camera (reliable)",
        "unknown node (reliable)",
    ]


def test_the_profile_asks_for_no_more_than_its_reliability():
    assert image_profile(True).reliability == ReliabilityPolicy.RELIABLE
    assert image_profile(False).reliability == ReliabilityPolicy.BEST_EFFORT
    assert image_profile(True).durability == DurabilityPolicy.VOLATILE
