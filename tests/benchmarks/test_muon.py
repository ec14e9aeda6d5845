import muon

from femo_jax.models import create_model


def test_names_both_sides_and_their_ratio(unoptimised, capsys, monkeypatch):
    monkeypatch.setattr(muon, "create_model", lambda name: create_model(name, widths=(6, 8, 12, 16)))
    muon.main(muon.Arguments(rounds=1))
    printed = capsys.readouterr().out
    assert "8 kernels" in printed
    assert "optax" in printed
    assert "times as fast" in printed
