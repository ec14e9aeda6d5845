"""Stamps that are missing or jump back; that outputs have those of their images is in test_outputs.py."""


def test_a_clock_that_jumps_back_begins_new_tracks(recognizer, camera, scene):
    for step in range(5):
        (face,) = recognizer.faces_of(camera, scene.picture, (2000, step * 100_000_000))
    assert face.track_id == 1
    assert 0.3 < face.age < 0.5
    (face,) = recognizer.faces_of(camera, scene.picture, (1000, 0))
    assert (face.track_id, face.age) == (2, 0)
    recognizer.process.wait_for_log(r"WARN.*Stamps went back by 1000\.400 s")
    (face,) = recognizer.faces_of(camera, scene.picture, (1000, 500_000_000))
    assert 0.4 < face.age < 0.6


def test_images_without_stamps_are_followed_by_their_arrival(recognizer, camera, scene):
    def next_face():
        before = len(recognizer.answers)
        camera.show(scene.picture, (0, 0))
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
