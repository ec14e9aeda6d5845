"""Stamps that are missing, jitter, jump back or are of another clock; test_outputs.py tests those of the outputs."""

import time


def test_a_clock_that_jumps_back_begins_new_tracks(recognizer, camera, scene):
    for step in range(5):
        (face,) = recognizer.faces_of(camera, scene.image, (2000, step * 100_000_000))
    assert face.track_id == 1
    assert 0.3 < face.age < 0.5
    (face,) = recognizer.faces_of(camera, scene.image, (1000, 0))
    assert (face.track_id, face.age) == (2, 0)
    recognizer.process.wait_for_log(r"WARN.*Stamps went back by 1000\.400 s")
    (face,) = recognizer.faces_of(camera, scene.image, (1000, 500_000_000))
    assert 0.4 < face.age < 0.6


def test_images_without_stamps_are_followed_by_their_arrival(recognizer, camera, scene):
    def next_face():
        before = len(recognizer.answers)
        camera.show(scene.image, (0, 0))
        recognizer.client.spin_until(lambda: len(recognizer.answers) > before, "an answer")
        return recognizer.answers[-1].faces[0]

    first = next_face()
    recognizer.client.spin_for(0.3)
    second = next_face()
    assert (first.track_id, second.track_id) == (1, 1)
    assert first.age == 0
    assert 0.25 < second.age < 2.0
    values = recognizer.status(lambda each: each.values["latency from arrival, median (ms)"], "latency").values
    assert values["latency from stamp, median (ms)"] == ""


def test_jitter_of_a_few_milliseconds_keeps_the_track(recognizer, camera, scene):
    stamps = [(2000, step * 33_000_000) for step in range(12)]
    for step in (4, 8):
        stamps[step] = (2000, stamps[step - 1][1] - 7_000_000)
    faces = [face for stamp in stamps for face in recognizer.faces_of(camera, scene.image, stamp)]
    assert [face.track_id for face in faces] == [1] * len(stamps)
    assert 0.3 < faces[-1].age < 0.4
    assert "went back" not in recognizer.process.log


def test_a_first_stamp_of_0_before_real_time_is_no_jump(recognizer, camera, scene):
    (first,) = recognizer.faces_of(camera, scene.image, (0, 0))
    (second,) = recognizer.faces_of(camera, scene.image, (1_700_000_000, 0))
    assert (first.track_id, second.track_id) == (1, 1)
    assert second.age < 60
    assert "went back" not in recognizer.process.log


def test_stamps_of_another_clock_give_no_latency_and_one_warning(recognizer, camera, scene):
    key = "stamps behind the node's clock (s)"
    for offset, words in ((-20.0, r"\d+\.\d+ s ahead of"), (34_560_000.0, r"345600\d+\.\d+ s behind")):
        for step in range(3):
            now = time.time_ns() + step - int(offset * 1e9)
            recognizer.faces_of(camera, scene.image, (now // 10**9, now % 10**9))
        values = recognizer.status(lambda each: each.values[key], "another clock").values
        assert abs(float(values[key]) - offset) < 10
        assert values["latency from stamp, median (ms)"] == ""
        now = time.time_ns()
        recognizer.faces_of(camera, scene.image, (now // 10**9, now % 10**9))  # the clocks agree
        assert recognizer.status(lambda each: not each.values[key], "one clock").values
        recognizer.process.wait_for_log(rf"WARN.*The stamps of the images are {words} this node's clock")
    assert recognizer.process.log.count("The stamps of the images are") == 2
