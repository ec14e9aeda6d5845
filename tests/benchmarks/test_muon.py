import muon


def test_names_both_sides_and_their_ratio(capsys):
    muon.main(muon.Arguments(rounds=1))
    printed = capsys.readouterr().out
    assert "8 kernels" in printed
    assert "optax" in printed
    assert "times as fast" in printed
