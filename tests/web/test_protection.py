import pytest
from starlette.websockets import WebSocketDisconnect

from femo_jax.errors import ConfigError, FemoError
from femo_jax.web.protection import COOKIE, RateLimit, check_token, is_loopback
from femo_jax.web.server import Address

from .conftest import picture, publish

TOKEN = "correct horse"


@pytest.fixture
def guarded(make_site, make_client):
    site = make_site(token=TOKEN)
    publish(site.view)
    return make_client(site, TOKEN)


@pytest.mark.parametrize(
    ("host", "yes"),
    [
        *((host, True) for host in ("localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]")),
        *((host, False) for host in ("0.0.0.0", "192.168.1.2", "femo.example", "", "::")),
    ],
)
def test_loopback(host, yes):
    assert is_loopback(host) is yes


def test_other_machines_need_a_token():
    check_token(None, "localhost")
    check_token(TOKEN, "0.0.0.0")
    with pytest.raises(ConfigError, match="FEMO_TOKEN"):
        check_token(None, "0.0.0.0")
    with pytest.raises(ConfigError, match="at least 8"):
        check_token("short", "localhost")


@pytest.mark.parametrize("path", ["/v1/faces", "/v1/image.jpg", "/v1/stream", "/v1/video.mjpeg", "/metrics", "/app.js"])
@pytest.mark.parametrize(
    "given", [{}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}, {"cookie": f"{COOKIE}=x"}]
)
def test_nothing_is_given_without_the_token(guarded, path, given):
    answer = guarded.get(path, headers=given)
    assert (answer.status_code, answer.json()) == (401, {"error": "the token is missing or wrong."})


def test_the_token_as_a_header(guarded):
    assert guarded.get("/v1/faces", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert guarded.get("/healthz").status_code == 200


def test_a_websocket_needs_the_token(guarded):
    with pytest.raises(WebSocketDisconnect) as refused, guarded.websocket_connect("/v1/live"):
        pass
    assert refused.value.code == 1008


def test_a_browser_logs_in(guarded):
    assert guarded.get("/").headers["location"] == "/login"
    assert "Token of this server" in guarded.get("/login").text
    wrong = guarded.post("/login", data={"token": "wrong"})
    assert (wrong.status_code, "set-cookie" in wrong.headers) == (403, False)
    right = guarded.post("/login", data={"token": TOKEN})
    assert right.status_code == 303
    cookie = right.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    assert TOKEN not in cookie
    assert guarded.get("/v1/faces").status_code == 200


def test_tokens_cannot_be_tried_by_the_thousand(make_site, make_client):
    """One, and the next after 100 seconds, however slow this machine is."""
    client = make_client(make_site(token=TOKEN, requests_per_second=0.01), TOKEN)
    answers = [client.post("/login", data={"token": str(number)}).status_code for number in range(4)]
    assert answers == [403, 429, 429, 429]


@pytest.mark.parametrize("host", ["femo.example", "192.168.1.2:8080", "localhost.example", "[2001:db8::1]:80"])
def test_without_a_token_other_names_of_the_host_are_refused(client, host):
    assert client.get("/v1/info", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080"])
def test_names_of_this_machine_are_answered(client, host):
    assert client.get("/v1/info", headers={"host": host}).status_code == 200


def test_other_sites_change_nothing(client):
    for origin in ("http://evil.example", "null", "http://localhost:9"):
        headers = {"origin": origin}
        assert client.post("/v1/predict", content=picture(), headers=headers).status_code == 403
        assert client.put("/v1/settings", json={}, headers=headers).status_code == 403
    assert client.put("/v1/settings", json={}, headers={"origin": "http://localhost"}).status_code == 200


def test_another_site_opens_no_websocket(client):
    headers = {"origin": "http://evil.example"}
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/v1/camera", headers=headers):
        pass
    assert refused.value.code == 1008


@pytest.mark.parametrize("path", ["/", "/v1/faces", "/nowhere", "/style.css", "/metrics"])
def test_every_response_has_the_headers(client, path):
    headers = client.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers


def test_a_client_has_so_many_requests():
    limit = RateLimit(2.0, burst=3)
    assert [limit.take("a", 0.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.take("b", 0.0) == 0
    assert limit.take("a", 0.5) == 0
    assert limit.take("a", 0.5) > 0
    assert [limit.take("a", 1000.0) for _ in range(4)][-1] > 0


def test_clients_are_forgotten():
    limit = RateLimit(1.0, burst=1, most_clients=10)
    for number in range(10_000):
        limit.take(str(number), 0.0)
    assert len(limit._buckets) == 10


def test_a_port_in_use_is_reported():
    with Address(port=0).listen() as listening, pytest.raises(FemoError, match="cannot be used"):
        Address(port=listening.getsockname()[1]).listen()


@pytest.mark.parametrize("options", [{"port": 70_000}, {"port": -1}, {"certificate": "nowhere.pem"}])
def test_what_cannot_be_served_is_refused(options, tmp_path):
    if "certificate" in options:
        options = {"certificate": tmp_path / options["certificate"]}
    with pytest.raises(ConfigError):
        Address(**options)
