"""Transitions in every order, those that are not possible, and those that fail."""

import pytest

REFUSED = {
    "unconfigured": ("activate", "deactivate", "cleanup"),
    "inactive": ("configure", "deactivate"),
    "active": ("configure", "activate", "cleanup"),
    "finalized": ("configure", "activate", "deactivate", "cleanup"),
}


def refuses(recognizer, state):
    """The transitions that the state does not allow are refused, and change nothing."""
    assert recognizer.state() == state
    for transition in REFUSED[state]:
        assert not recognizer.change_state(transition), f"{transition} from {state}"
        assert recognizer.state() == state


def refuses_by_number(recognizer, number):
    """Clients may give the number of a transition instead, as `ros2 lifecycle set` does."""
    from lifecycle_msgs.srv import ChangeState

    request = ChangeState.Request()
    request.transition.id = number
    return not recognizer.client.call(ChangeState, f"{recognizer.node}/change_state", request).success


def test_every_transition_and_every_one_that_is_not_possible(waiting, camera, scene):
    from lifecycle_msgs.msg import Transition

    refuses(waiting, "unconfigured")
    assert refuses_by_number(waiting, Transition.TRANSITION_ACTIVATE)
    assert refuses_by_number(waiting, 77)
    assert not camera.heard

    assert waiting.change_state("configure")
    refuses(waiting, "inactive")
    assert refuses_by_number(waiting, Transition.TRANSITION_CONFIGURE)
    assert not camera.heard

    assert waiting.change_state("activate")
    refuses(waiting, "active")
    assert len(waiting.faces_of(camera, scene.image)) == 1

    assert waiting.change_state("deactivate")
    refuses(waiting, "inactive")
    camera.client.spin_until(lambda: not camera.heard, "the end of the subscription")

    assert waiting.change_state("activate")
    assert len(waiting.faces_of(camera, scene.image)) == 1
    assert waiting.process.log.count("Configured") == 1  # the model was kept

    assert waiting.change_state("deactivate")
    assert waiting.change_state("cleanup")
    refuses(waiting, "unconfigured")

    assert waiting.change_state("configure")
    waiting.process.wait_for_log("Configured", count=2)
    assert waiting.change_state("activate")
    assert len(waiting.faces_of(camera, scene.image)) == 1

    assert waiting.change_state("shutdown")
    refuses(waiting, "finalized")
    camera.client.spin_until(lambda: not camera.heard, "the end of the subscription")
    assert waiting.process.stop() == 0
    assert "Traceback" not in waiting.process.log


@pytest.mark.parametrize("before", [(), ("configure",)])
def test_shutdown_from_states_without_images(waiting, before):
    for transition in before:
        assert waiting.change_state(transition)
    assert waiting.change_state("shutdown")
    assert waiting.state() == "finalized"
    assert waiting.process.stop() == 0


def test_a_configure_that_fails_goes_through_the_error_state_and_can_be_repeated(waiting, camera, scene, tmp_path):
    from lifecycle_msgs.msg import TransitionEvent

    events = waiting.client.collect(TransitionEvent, f"{waiting.node}/transition_event")
    assert waiting.state() == "unconfigured"
    assert waiting.set(model=str(tmp_path / "missing.safetensors")) == []
    assert not waiting.change_state("configure")
    waiting.process.wait_for_log(r"ERROR.*on_configure: .*missing\.safetensors: no such model file")
    waiting.client.spin_until(lambda: any(each.goal_state.label == "unconfigured" for each in events), "the end of it")
    assert [each.goal_state.label for each in events] == ["configuring", "errorprocessing", "unconfigured"]
    assert waiting.status(lambda each: each.level == 2, "the error").message.startswith("on_configure: ")
    assert "Traceback" not in waiting.process.log

    assert waiting.set(model="") == []
    assert waiting.change_state("configure")
    assert waiting.status(lambda each: each.message == "inactive", "no error any more").level == 0
    assert waiting.change_state("activate")
    assert len(waiting.faces_of(camera, scene.image)) == 1


def test_a_node_that_cannot_start_by_itself_lives_and_says_why(start_recognizer, tmp_path):
    recognizer = start_recognizer({"model": tmp_path / "missing.safetensors"})
    recognizer.process.wait_for_log("no such model file")
    assert recognizer.state() == "unconfigured"
    assert recognizer.process.log.count("no such model file") == 1


def test_messages_that_are_wanted_but_not_installed_are_an_error(start_recognizer, quick):
    packages = {
        "publish_hri": "hri_msgs",
        "publish_vision_msgs": "vision_msgs",
        "publish_foxglove_msgs": "foxglove_msgs",
    }
    missing = f"import sys; sys.modules.update(dict.fromkeys({list(packages.values())}))"
    waiting = start_recognizer({**quick, "autostart": False}, setup=missing)
    for parameter, package in packages.items():
        assert waiting.state() == "unconfigured"
        assert waiting.set(**{parameter: True}) == []
        assert not waiting.change_state("configure")
        waiting.process.wait_for_log(f"ERROR.*{parameter} is true, but package {package} cannot be used")
        assert waiting.set(**{parameter: "auto"}) == []
    assert waiting.change_state("configure")


def test_the_active_node_bonds_with_its_manager(interfaces, start_recognizer, quick):
    """Heartbeats under the node's name while it is active, and a farewell."""
    from bond.msg import Status

    waiting = start_recognizer({**quick, "autostart": False, "bond_timeout": 2.0})
    beats = waiting.client.collect(Status, "/bond", 100)
    assert waiting.change_state("configure")
    assert waiting.client.node.count_publishers("/bond") == 0
    assert waiting.change_state("activate")
    waiting.client.spin_until(lambda: len(beats) > 3, "heartbeats")
    assert {(each.id, each.active, each.heartbeat_timeout) for each in beats} == {("emotion_recognizer", True, 2.0)}
    assert len({each.instance_id for each in beats}) == 1
    assert waiting.change_state("deactivate")
    waiting.client.spin_until(lambda: not beats[-1].active, "the farewell")
    assert waiting.client.node.count_publishers("/bond") == 0

    assert waiting.change_state("activate")
    waiting.client.spin_until(lambda: beats[-1].active, "a new bond")
    assert len({each.instance_id for each in beats}) == 2
    assert waiting.process.stop() == 0
    waiting.client.spin_until(lambda: not beats[-1].active, "the farewell at the end")
