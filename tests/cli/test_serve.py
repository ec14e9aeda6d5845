import pytest

from femo_jax.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "FEMO_TOKEN"),
        (["--token", "short"], "at least 8"),
        (["--port", "99999"], "--port is 99999"),
        (["--key", "key.pem"], "--key needs --certificate"),
        (["--certificate", "nowhere.pem"], "nowhere.pem: no such file"),
        (["--host", "203.0.113.9", "--token", "long enough"], "cannot be used"),
        (["nowhere.mp4", "--port", "0"], "nowhere.mp4"),
    ],
)
def test_what_cannot_be_served_is_refused(arguments, words, capsys, monkeypatch):
    monkeypatch.delenv("FEMO_TOKEN", raising=False)
    assert main(["serve", *arguments]) == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1


def test_the_token_of_the_environment_counts(capsys, monkeypatch):
    monkeypatch.setenv("FEMO_TOKEN", "short")
    assert main(["serve"]) == 2
    assert "at least 8" in capsys.readouterr().err
