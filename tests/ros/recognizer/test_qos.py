"""Quality of service: what publishers offer is followed, and what does not fit is reported."""

import pytest

OVERRIDES = {"reliability": "best_effort", "depth": 1}
SOON = {"diagnostics.error_after_ms": 300.0}
"""Parameters by which the level is ERROR soon after the last image."""


@pytest.fixture
def best_effort():
    from rclpy.qos import ReliabilityPolicy

    return {"reliability": ReliabilityPolicy.BEST_EFFORT}


def reliabilities(recognizer):
    """What the node's subscriptions to `/image` ask for."""
    infos = recognizer.client.node.get_subscriptions_info_by_topic("/image")
    return [info.qos_profile.reliability.name for info in infos]


def subscribed(recognizer, reliability):
    recognizer.client.spin_until(lambda: reliabilities(recognizer) == [reliability], f"a {reliability} subscription")


def answered(recognizer, camera, scene):
    """Small images: best effort loses large ones."""
    small = scene.image[::4, ::4]

    def one():
        before = len(recognizer.answers)
        camera.show(small)
        recognizer.client.spin_for(0.2)
        return len(recognizer.answers) > before

    recognizer.client.spin_until(one, "an answer")


def test_auto_follows_a_publisher_that_comes_goes_and_comes_back_otherwise(
    start_recognizer, quick, new_camera, scene, best_effort
):
    recognizer = start_recognizer(quick | SOON)
    recognizer.process.wait_for_log("Listening to /image: no publisher")
    assert recognizer.status(lambda each: each.level == 2, "no image yet").message.endswith("no publisher")

    camera = new_camera()
    answered(recognizer, camera, scene)
    subscribed(recognizer, "RELIABLE")
    camera.close()
    recognizer.status(lambda each: each.level == 2 and "no publisher" in each.message, "no publisher")

    camera = new_camera(**best_effort)
    subscribed(recognizer, "BEST_EFFORT")
    recognizer.process.wait_for_log(r"/image: now best effort \(image_qos auto\), offered by ")
    answered(recognizer, camera, scene)
    camera.close()

    camera = new_camera()
    subscribed(recognizer, "RELIABLE")
    answered(recognizer, camera, scene)

    other = new_camera(**best_effort)
    subscribed(recognizer, "BEST_EFFORT")
    for each in (camera, other):
        answered(recognizer, each, scene)
    assert "no image from" not in recognizer.process.log


def test_an_offer_that_does_not_fit_is_told_with_both_sides(start_recognizer, quick, new_camera, scene, best_effort):
    recognizer = start_recognizer({**quick, **SOON, "image_qos": "reliable"})
    camera = new_camera(**best_effort)
    recognizer.process.wait_for_log(
        r"WARN.*/image: no image from /test_client \(best effort\), because this node asks for reliable delivery"
    )
    reported = recognizer.status(lambda each: each.level == 2 and "incompatible" in each.message, "both sides")
    assert "/test_client (best effort); incompatible: the node asks for reliable" in reported.message
    assert recognizer.process.log.count("no image from") == 1

    assert recognizer.set(image_qos="auto") == []
    answered(recognizer, camera, scene)
    subscribed(recognizer, "BEST_EFFORT")


def test_sensor_data_hears_a_reliable_publisher(start_recognizer, quick, new_camera, scene):
    recognizer = start_recognizer({**quick, "image_qos": "sensor_data"})
    answered(recognizer, new_camera(), scene)
    subscribed(recognizer, "BEST_EFFORT")


def test_an_override_wins_over_auto_and_is_logged(start_recognizer, quick, new_camera, scene):
    override = {f"qos_overrides./image.subscription.{name}": value for name, value in OVERRIDES.items()}
    recognizer = start_recognizer({**quick, **override})
    recognizer.process.wait_for_log("INFO.*/image: qos_overrides apply: depth 1, reliability best_effort")
    answered(recognizer, new_camera(), scene)  # reliable, for which auto would ask
    assert reliabilities(recognizer) == ["BEST_EFFORT"]
    assert recognizer.set(image_qos="reliable") == []
    recognizer.client.spin_until(lambda: "image_qos is now reliable" in recognizer.process.log, "the change")
    assert reliabilities(recognizer) == ["BEST_EFFORT"]
    assert "unknown parameter" not in recognizer.process.log


@pytest.mark.parametrize(("policy", "value"), [("reliability", "perhaps"), ("colour", "red"), ("depth", "deep")])
def test_an_override_that_makes_no_sense_is_named(start_recognizer, quick, policy, value):
    recognizer = start_recognizer({**quick, f"qos_overrides./image.subscription.{policy}": value})
    recognizer.process.wait_for_log(rf"ERROR.*on_activate: qos_overrides./image.subscription.{policy}.*expected")
    assert recognizer.state() == "unconfigured"
