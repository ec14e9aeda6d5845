"""SIGINT and SIGTERM end the node with code 0 and without a traceback, whenever they come."""

import signal

import pytest

KINDS = [signal.SIGINT, signal.SIGTERM]


def ends_well(process):
    assert process.wait() == 0, process.log
    assert "Traceback" not in process.log
    assert "Error" not in process.log


@pytest.mark.parametrize("kind", KINDS)
def test_while_images_come(recognizer, camera, scene, kind):
    assert recognizer.faces_of(camera, scene.image)
    camera.show(scene.image)
    recognizer.process.send_signal(kind)
    ends_well(recognizer.process)


@pytest.mark.parametrize("kind", KINDS)
def test_while_it_waits_to_be_configured(waiting, kind):
    assert waiting.state() == "unconfigured"
    waiting.process.send_signal(kind)
    ends_well(waiting.process)


@pytest.mark.parametrize("kind", KINDS)
def test_during_configure_and_a_second_one_too(recognizer, client, kind):
    recognizer.process.wait_for_log("Configuring")
    recognizer.process.send_signal(kind)
    client.spin_for(0.05)
    recognizer.process.send_signal(kind)
    ends_well(recognizer.process)
    assert "Listening" not in recognizer.process.log
