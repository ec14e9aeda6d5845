"""`/diagnostics`: levels, figures, and the pause."""

import time

import pytest


def stamp_now():
    nanoseconds = time.time_ns()
    return nanoseconds // 10**9, nanoseconds % 10**9


def test_levels_and_figures_follow_the_images(recognizer, camera, scene):
    recognizer.status(lambda each: each.level == 2 and "no image yet" in each.message, "an error without images")

    def well():
        """The values of a status of a time in which an image came, and a result."""
        camera.show(scene.image, stamp_now())
        recognizer.client.spin_for(0.05)
        values = {each.key: each.value for each in recognizer.statuses[-1].values}
        rates = [float(values[name]) for name in ("images in (1/s)", "results out (1/s)")]
        return recognizer.statuses[-1].level == b"\x00" and min(rates) > 0 and values

    values = recognizer.client.spin_until(well, "a status while images come")
    assert "1 face" in recognizer.statuses[-1].message
    assert values["state"] == "active"
    assert values["topic"] == "/image"
    assert values["publishers"] == "/test_client (reliable)"
    assert 0 < float(values["latency from arrival, median (ms)"]) <= float(values["latency from stamp, median (ms)"])
    assert values["images undecodable"] == values["images failed"] == "0"
    assert values["model"].startswith("femonet")
    assert values["detector.kind"] == "haar"

    recognizer.status(lambda each: each.level == 1 and "no image for" in each.message, "a warning without images")
    recognizer.status(lambda each: each.level == 2 and "no image for" in each.message, "an error without images")


def test_a_pause_holds_until_it_is_ended_also_over_a_deactivation(recognizer, camera, scene):
    from std_srvs.srv import SetBool

    def enable(wish):
        return recognizer.client.call(SetBool, f"{recognizer.node}/set_enabled", SetBool.Request(data=wish))

    assert len(recognizer.faces_of(camera, scene.image)) == 1
    paused = enable(False)
    assert paused.success and paused.message == "paused, active"
    recognizer.client.spin_until(lambda: not camera.heard, "the end of the subscription")
    reported = recognizer.status(lambda each: "paused" in each.message, "the pause")
    assert reported.level == 0
    assert reported.values["enabled"] == "false"

    assert enable(True).success
    assert len(recognizer.faces_of(camera, scene.image)) == 1

    assert enable(False).success
    assert recognizer.change_state("deactivate")
    assert enable(False).message == "paused, inactive"
    assert recognizer.change_state("activate")
    assert recognizer.status(lambda each: "paused" in each.message, "the pause").values["state"] == "active"
    assert enable(True).success
    assert len(recognizer.faces_of(camera, scene.image)) == 1


def test_a_pause_ends_the_work_on_images_that_came_before_it(recognizer, camera, scene):
    from std_srvs.srv import SetBool

    client = recognizer.client
    service = client.node.create_client(SetBool, f"{recognizer.node}/set_enabled")
    client.spin_until(service.service_is_ready, "the service")
    assert len(recognizer.faces_of(camera, scene.image)) == 1
    for _ in range(10):
        camera.show(scene.image)
    paused = service.call_async(SetBool.Request(data=False))
    client.spin_until(paused.done, "the pause")
    assert paused.result().success
    reported = recognizer.status(lambda each: "paused" in each.message, "the pause")
    assert reported.values["faces"] == "0"


def test_a_slow_camera_does_not_alarm(recognizer, camera, scene):
    """An image every 0.8 s: without one for half a second, nothing is wrong."""
    recognizer.client.spin_until(lambda: camera.heard, "the subscription")
    for step in range(5):
        began = time.monotonic()
        recognizer.faces_of(camera, scene.image)
        if step == 2:
            seen = len(recognizer.statuses)
        recognizer.client.spin_for(began + 0.8 - time.monotonic())
    levels = [(each.level, each.message) for each in recognizer.statuses[seen + 1 :]]
    assert len(levels) >= 3
    assert {level for level, _ in levels} == {b"\x00"}, levels


def test_the_limits_are_parameters(start_recognizer, quick):
    recognizer = start_recognizer(
        {**quick, "diagnostics.warn_after_ms": 1.0, "diagnostics.error_after_ms": 3_600_000.0}
    )

    def active():
        values = [{each.key: each.value for each in status.values} for status in recognizer.statuses]
        return [status for status, each in zip(recognizer.statuses, values, strict=True) if each["state"] == "active"]

    recognizer.client.spin_until(lambda: len(active()) >= 4, "statuses")
    assert {each.level for each in active()[1:]} == {b"\x01"}


FAILING = """
from femo_ros import camera_pipeline, diagnostics

diagnostics.RESULT_WARN_SECONDS, diagnostics.RESULT_ERROR_SECONDS = 0.5, 2.0

decode = camera_pipeline.decode

def fails(message):
    if message.width == 64:
        raise {error}("on purpose")
    return decode(message)

camera_pipeline.decode = fails
"""


@pytest.mark.parametrize("error", ["RuntimeError", "SystemExit"])
def test_a_failing_image_does_not_end_the_work(start_recognizer, quick, camera, scene, error):
    """It is logged with its traceback and counted, and where no result comes at all, that is reported."""
    recognizer = start_recognizer(quick, setup=FAILING.format(error=error))
    assert len(recognizer.faces_of(camera, scene.image)) == 1
    bad = camera.image("bgr8", scene.image[:48, :64])

    def show_until(level):
        seen = len(recognizer.statuses)

        def reported():
            camera.send(bad)
            recognizer.client.spin_for(0.05)
            return any(
                each.level == level and "images arrive, but no result" in each.message
                for each in recognizer.statuses[seen:]
            )

        recognizer.client.spin_until(reported, f"level {level}")

    show_until(b"\x01")
    show_until(b"\x02")
    assert recognizer.statuses[-1].message.endswith(f"{error}: on purpose")
    recognizer.process.wait_for_log(rf"ERROR.*Image skipped: Traceback[\s\S]*{error}: on purpose")
    assert recognizer.process.log.count("Image skipped") < 8
    seen = len(recognizer.statuses)

    def well_again():
        camera.show(scene.image)
        recognizer.client.spin_for(0.05)
        return any(each.level == b"\x00" for each in recognizer.statuses[seen:])

    recognizer.client.spin_until(well_again, "all is well again")
    values = {each.key: each.value for each in recognizer.statuses[-1].values}
    assert int(values["images failed"]) > 3


def test_a_publisher_of_another_type_is_named_with_the_remedy(start_recognizer, quick, new_camera, scene):
    cases = {
        "raw": [
            ("/image", True, "/test_client publishes CompressedImage, this node subscribes to Image on /image"),
            ("/image/compressed", True, "/test_client publishes CompressedImage beside it"),
        ],
        "compressed": [
            ("/image/compressed", False, "/test_client publishes Image, this node subscribes to Compressed"),
            ("/image", False, "/test_client publishes Image beside it"),
        ],
    }
    for transport, publishers in cases.items():
        recognizer = start_recognizer({**quick, "image_transport": transport})
        swapped = "compressed" if transport == "raw" else "raw"
        for topic, compressed, words in publishers:
            camera = new_camera(topic, compressed=compressed)
            found = recognizer.status(lambda each, words=words: words in each.message, words)
            assert found.message.endswith(f"; set image_transport:={swapped}")
            recognizer.process.wait_for_log(f"WARN.*no image, because .*{words}")
            camera.close()
        assert recognizer.process.stop() == 0


def test_levels_of_states_without_images(waiting):
    assert waiting.status(lambda each: each.message == "unconfigured", "unconfigured").level == 1
    assert waiting.change_state("configure")
    assert waiting.status(lambda each: each.message == "inactive", "inactive").level == 0
    assert waiting.change_state("shutdown")
    assert waiting.status(lambda each: each.message == "finalized", "finalized").level == 1
