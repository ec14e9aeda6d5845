from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from femo_ros.camera_topic import Offer, image_profile, image_topic, offers, type_problem, unheard, wants_reliable
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

RAW, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
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
            node_name=name,
            node_namespace=namespace,
            qos_profile=SimpleNamespace(reliability=reliability),
            topic_type=RAW,
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


@pytest.mark.parametrize(
    ("transport", "offered", "beside", "problem"),
    [
        ("raw", [], [], ""),
        ("raw", [RELIABLE], [], ""),
        ("compressed", [Offer("/camera", True, COMPRESSED)], [], ""),
        ("raw", [Offer("/jpegs", True, COMPRESSED), RELIABLE], [], ""),  # one that fits is enough
        (
            "raw",
            [Offer("/camera", True, COMPRESSED)],
            [],
            "/camera publishes CompressedImage, this node subscribes to Image on /x; set image_transport:=compressed",
        ),
        (
            "compressed",
            [RELIABLE],
            [],
            "/camera publishes Image, this node subscribes to CompressedImage on /x; set image_transport:=raw",
        ),
        (
            "raw",
            [Offer("/lidar", True, "sensor_msgs/msg/PointCloud2")],
            [],
            "/lidar publishes PointCloud2, this node subscribes to Image on /x; choose a topic of Image",
        ),
        (
            "raw",
            [],
            [Offer("/camera", True, COMPRESSED)],
            "no publisher, but /camera publishes CompressedImage beside it; set image_transport:=compressed",
        ),
    ],
)
def test_publishers_of_another_type_are_named_with_the_remedy(transport, offered, beside, problem):
    assert type_problem(transport, "/x", offered, beside) == problem


@pytest.mark.parametrize(
    ("base", "transport", "topic"),
    [
        ("/camera/image_raw", "raw", "/camera/image_raw"),
        ("/camera/image_raw", "compressed", "/camera/image_raw/compressed"),
        ("/camera/image_raw/compressed", "compressed", "/camera/image_raw/compressed"),
        ("/camera/image_raw/compressed", "raw", "/camera/image_raw/compressed"),
    ],
)
def test_the_topic_of_compressed_images_may_be_named_itself(base, transport, topic):
    assert image_topic(base, transport) == topic
