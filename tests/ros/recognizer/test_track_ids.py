"""Numbers of faces: never used twice in the life of a process."""


def test_after_pause_deactivation_cleanup_and_a_restarted_recording(recognizer, camera, scene):
    from std_srvs.srv import SetBool

    def pause_and_resume():
        for wish in (False, True):
            service = f"{recognizer.node}/set_enabled"
            assert recognizer.client.call(SetBool, service, SetBool.Request(data=wish)).success

    def transitions(*names):
        assert all(recognizer.change_state(name) for name in names)

    interruptions = [
        pause_and_resume,
        lambda: transitions("deactivate", "activate"),
        lambda: transitions("deactivate", "cleanup", "configure", "activate"),
        lambda: camera.send(camera.image("bgr8", scene.image), (10, 0)),  # stamps go back
    ]
    numbers = [face.track_id for face in recognizer.faces_of(camera, scene.image)]
    for interrupt in interruptions:
        interrupt()
        numbers += [face.track_id for face in recognizer.faces_of(camera, scene.image, (20, len(numbers)))]
    assert numbers[0] == 1
    assert len(numbers) == 5
    assert len(set(numbers[:4])) == 4, "each interruption but the last begins another number"
    assert numbers == sorted(numbers)

    log = recognizer.process.log
    for words in ("Paused by ~/set_enabled", "Resumed by ~/set_enabled", "Deactivated", "Cleaned up"):
        assert words in log
