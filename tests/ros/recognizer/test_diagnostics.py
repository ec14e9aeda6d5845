"""`/diagnostics`: levels, figures, and the pause."""

import time


def stamp_now():
    nanoseconds = time.time_ns()
    return nanoseconds // 10**9, nanoseconds % 10**9


def test_levels_and_figures_follow_the_images(recognizer, camera, scene):
    recognizer.status(lambda each: each.level == 2 and "no image yet" in each.message, "an error without images")

    def show_until(condition):
        seen = len(recognizer.statuses)

        def ready():
            camera.show(scene.picture, stamp_now())
            recognizer.client.spin_for(0.05)
            return len(recognizer.statuses) > seen and condition()

        recognizer.client.spin_until(ready, "a status while images come")

    show_until(lambda: recognizer.statuses[-1].level == b"\x00" and "1 face" in recognizer.statuses[-1].message)
    values = {each.key: each.value for each in recognizer.statuses[-1].values}
    assert values["state"] == "active"
    assert values["topic"] == "/image"
    assert values["publishers"] == "/test_client (reliable)"
    assert float(values["images in (1/s)"]) > 3
    assert float(values["results out (1/s)"]) > 3
    assert 0 < float(values["latency from arrival, median (ms)"]) <= float(values["latency from stamp, median (ms)"])
    assert float(values["latency from stamp, 95th percentile (ms)"]) < 5000
    assert values["images undecodable"] == values["images failed"] == "0"
    assert values["model"].startswith("femonet")
    assert values["detector.kind"] == "haar"

    warned = recognizer.status(lambda each: each.level > 0, "a warning without images")
    assert warned.level == 1
    assert "no image for" in warned.message
    recognizer.status(lambda each: each.level == 2 and "no image for" in each.message, "an error without images")

    seen, began = len(recognizer.statuses), time.monotonic()
    recognizer.client.spin_until(lambda: len(recognizer.statuses) >= seen + 2, "two statuses")
    assert 0.9 < time.monotonic() - began < 3.5


def test_a_pause_holds_until_it_is_ended_also_over_a_deactivation(recognizer, camera, scene):
    from std_srvs.srv import SetBool

    def enable(wish):
        return recognizer.client.call(SetBool, f"{recognizer.node}/set_enabled", SetBool.Request(data=wish))

    assert len(recognizer.faces_of(camera, scene.picture)) == 1
    paused = enable(False)
    assert paused.success and paused.message == "paused, active"
    recognizer.client.spin_until(lambda: not camera.heard, "the end of the subscription")
    told = recognizer.status(lambda each: "paused" in each.message, "the pause")
    assert told.level == 0
    assert told.values["enabled"] == "false"

    assert enable(True).success
    assert len(recognizer.faces_of(camera, scene.picture)) == 1

    assert enable(False).success
    assert recognizer.change_state("deactivate")
    assert enable(False).message == "paused, inactive"
    assert recognizer.change_state("activate")
    assert recognizer.status(lambda each: "paused" in each.message, "the pause").values["state"] == "active"
    assert enable(True).success
    assert len(recognizer.faces_of(camera, scene.picture)) == 1


def test_a_pause_ends_the_work_on_images_that_came_before_it(recognizer, camera, scene):
    from std_srvs.srv import SetBool

    client = recognizer.client
    service = client.node.create_client(SetBool, f"{recognizer.node}/set_enabled")
    client.spin_until(service.service_is_ready, "the service")
    assert len(recognizer.faces_of(camera, scene.picture)) == 1
    for _ in range(10):
        camera.show(scene.picture)
    paused = service.call_async(SetBool.Request(data=False))
    client.spin_until(paused.done, "the pause")
    assert paused.result().success
    told = recognizer.status(lambda each: "paused" in each.message, "the pause")
    assert told.values["faces"] == "0"
