"""Under load: no image is lost at a camera's rate, old ones give way above it, and memory does not grow.

Figures are the business of benchmarks/ros.py, which runs the same for longer.
"""

import time
from pathlib import Path

import numpy as np


def play(recognizer, camera, scene, rate, seconds):
    """Shows a moving picture at a rate; gives the stamps."""
    stamps = []
    began = time.monotonic()
    for step in range(int(rate * seconds)):
        nanoseconds = time.time_ns()
        stamp = nanoseconds // 10**9, nanoseconds % 10**9
        stamps.append(camera.show(np.roll(scene.picture, step % 60, axis=1), stamp))
        recognizer.client.spin_for(max(0.0, began + (step + 1) / rate - time.monotonic()))
    return stamps


def answered(recognizer):
    return [(each.header.stamp.sec, each.header.stamp.nanosec) for each in recognizer.answers]


def test_every_image_of_a_camera_at_30_hz_is_answered(start_recognizer, camera, scene):
    recognizer = start_recognizer()
    recognizer.client.spin_until(lambda: camera.heard, "the subscription")
    stamps = play(recognizer, camera, scene, rate=30, seconds=6)
    recognizer.answer(stamps[-1])

    found = answered(recognizer)
    assert found == sorted(set(found))
    assert set(found) <= set(stamps)
    dropped = int(recognizer.status(lambda each: True, "figures").values["images dropped for newer ones"])
    assert len(found) + dropped == len(stamps)  # none is lost on its way to the node or back
    assert dropped <= 0.05 * len(stamps)  # none, but where the machine does something else for a moment
    assert {len(each.faces) for each in recognizer.answers[30:]} == {1}
    assert {face.track_id for each in recognizer.answers for face in each.faces} == {1}


def test_above_its_pace_the_node_drops_old_images_and_stays_up_to_date(start_recognizer, camera, scene):
    slow = {"search.full_scan_ms": 0.0, "detector.scale_factor": 1.02, "detector.min_size": 0.05}
    recognizer = start_recognizer(slow)
    recognizer.client.spin_until(lambda: camera.heard, "the subscription")
    stamps = play(recognizer, camera, scene, rate=120, seconds=3)
    recognizer.answer(stamps[-1])  # the newest one is always answered

    found = answered(recognizer)
    assert found == sorted(found)
    assert set(found) <= set(stamps)
    assert 4 < len(found) < len(stamps) / 2
    places = [stamps.index(stamp) for stamp in found]
    assert max(np.diff(places)) < 120  # nothing queues: never a whole second behind
    values = recognizer.status(lambda each: each.values["results out (1/s)"] == "0.0", "the end").values
    assert 0 < int(values["images dropped for newer ones"]) <= len(stamps) - len(found)  # the middleware drops as well


def test_memory_is_flat(start_recognizer, quick, camera, scene):
    recognizer = start_recognizer(quick)
    small = np.ascontiguousarray(scene.picture[::2, ::2])

    def resident_mib():
        status = Path(f"/proc/{recognizer.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def show(count):
        for _ in range(count):
            recognizer.faces_of(camera, small)
            recognizer.answers.clear()

    show(100)
    before = resident_mib()
    show(250)
    assert resident_mib() - before < 10
