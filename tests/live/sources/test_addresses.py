import pytest

from femo_jax.live.sources.addresses import host_of, is_address, redacted


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://host:554/a/b.sdp", "rtsp://host:554/a/b.sdp"),
        ("rtsp://user@host/a", "rtsp://***@host/a"),
        ("http://SECRET@host", "http://***@host"),
        ("rtsp://user:pass:word@[::1]:8/a", "rtsp://***@[::1]:8/a"),
        ("http://host/a?token=SECRET", "http://host/a?token=***"),
        ("http://host/a?token=SECRET==&n=1;key=x#SECRET", "http://host/a?token=***&n=***&key=***#***"),
        ("http://host/a?SECRET", "http://host/a?***"),
        ("rtsp://host:554/user=admin_password=SECRET_channel=1/s.sdp", "rtsp://host:554/user=***/s.sdp"),
        # What is not encoded makes the address ambiguous: scheme and host are left.
        ("rtsp://u:p#x@host/a", "rtsp://***@host"),
        ("rtsp://u:p/x@host:8/a", "rtsp://***@host:8"),
        ("rtsp://admin:1234/x@host/a", "rtsp://***@host"),
        ("rtsp://u:1234?x@host/a", "rtsp://***@host"),
        ("http://user:p@ss@host/a", "http://***@host"),
        ("http://[::1/SECRET", "http://***"),
        ("http://u:SECRET/", "http://***"),
        ("rtsp:u:SECRET@host/a", "rtsp:***@host/a"),
        (" RTSP:/u:SECRET@host/a", "RTSP:/***@host/a"),
        ("http://host/a\x1b[31m", "http://host/a\\x1b[31m"),
    ],
)
def test_secrets_are_not_shown(address, shown):
    assert redacted(address) == shown


@pytest.mark.parametrize("path", ["0", "clips/a=b@c.mp4", "C:/a@b.mp4", "ab:c@d?e=f.png"])
def test_paths_are_shown_as_they_are(path):
    assert redacted(path) == path
    assert not is_address(path)


def test_the_host_of_an_address():
    assert host_of("rtsp://u:p@host:554/a") == "host:554"
    assert host_of("http://[fe80::1%eth0]:80") == "[fe80::1%eth0]:80"
    assert host_of("http:///a") is None
    assert host_of("rtsp://u:p#x@host") is None
