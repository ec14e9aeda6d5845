"""The helpers of conftest.py: they wait, they report what was missing, and nothing outlives a test."""

import fcntl
import os
import sys
import tempfile
from pathlib import Path

import pytest
from std_msgs.msg import String

COUNT = "import time\nfor number in range(3): print('line', number, flush=True); time.sleep(0.05)\n"
SLEEP = "import time\nprint('asleep', flush=True)\ntime.sleep(600)\n"


def test_a_log_is_waited_for(start_process):
    """The n-th place that fits, as soon as it is there."""
    process = start_process([sys.executable, "-c", COUNT])
    assert process.wait_for_log(r"line (\d)", count=3)[1] == "2"
    assert process.wait() == 0
    assert process.log == "line 0\nline 1\nline 2\n"


def test_a_log_that_does_not_come_is_reported(start_process):
    """With what did come, at the deadline or as soon as the program has ended."""
    asleep = start_process([sys.executable, "-c", SLEEP])
    asleep.wait_for_log("asleep")
    with pytest.raises(AssertionError, match=r"0\.5 s are over, 0 of 1 times 'awake' in\nasleep"):
        asleep.wait_for_log("awake", timeout=0.5)
    with pytest.raises(AssertionError, match="still running after"):
        asleep.wait(timeout=0.1)
    ended = start_process([sys.executable, "-c", "print('only this')"])
    with pytest.raises(AssertionError, match="the program ended, 0 of 1 times 'that' in\nonly this"):
        ended.wait_for_log("that")


def test_a_killed_program_is_gone(start_process):
    """Whatever it does."""
    process = start_process([sys.executable, "-c", SLEEP])
    assert process.running
    process.kill()
    assert not process.running


def test_a_condition_that_does_not_hold_is_reported(client):
    """With what was waited for."""
    with pytest.raises(AssertionError, match=r"not within 0\.2 s: a miracle"):
        client.spin_until(lambda: False, "a miracle", timeout=0.2)


def test_clients_of_a_test_hear_each_other(client, new_client):
    """In one process, each with a context of its own."""
    heard = client.collect(String, "/talk")
    new_client("talker").publisher(String, "/talk").publish(String(data="hello"))
    client.spin_until(lambda: heard, "hello")


def test_a_domain_in_use_is_not_given_away(domain):
    """Not to another test, in this process or another."""
    folder = Path(tempfile.gettempdir()) / f"femo-ros-domains-{os.getuid()}"
    with (folder / str(domain)).open("w") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert os.environ["ROS_DOMAIN_ID"] == str(domain)


@pytest.mark.parametrize("contents", [b"", bytes(52400), b"\1" + bytes(52399)])
def test_shared_memory_that_a_killed_process_left_half_made_is_removed(contents, remove_half_made_ports, tmp_path):
    """And nothing else: whole ports, their locks, young ones and other files."""
    half, whole, lock, young, other = (
        tmp_path / name
        for name in ("fastrtps_port7000", "fastrtps_port26911", "fastrtps_port26911_el", "fastrtps_port1", "x")
    )
    for path in (half, young, other):
        path.write_bytes(contents)
    whole.write_bytes(b"\2" + bytes(52399))
    lock.touch()
    for path in (half, whole, lock, other):
        os.utime(path, (0, 0))
    assert remove_half_made_ports(tmp_path) == [half]
    assert sorted(tmp_path.glob("*[0-9lx]")) == sorted((whole, lock, young, other))


def test_a_client_is_created_beside_a_half_made_port(domain, new_client, remove_half_made_ports):
    """One of an earlier test in this domain, whose process was killed."""
    port = Path(f"/dev/shm/fastrtps_port{7400 + 250 * int(domain) + 11}")
    port.unlink(missing_ok=True)  # of a killed node of an earlier test, for the domain is this test's own
    port.write_bytes(bytes(52400))
    os.utime(port, (0, 0))
    assert port in remove_half_made_ports()
    new_client("late")
