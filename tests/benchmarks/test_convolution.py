import os

import convolution


def test_both_ways_take_turns_with_each_convolution(onednn, unoptimised, capsys, monkeypatch):
    monkeypatch.setenv("FEMO_WINOGRAD", "as before")
    convolution.main(convolution.Arguments(rounds=1, batch=2))
    printed = capsys.readouterr().out
    assert printed.count("weight gradient:") == 7
    assert "24x24, 48 -> 48" in printed and "3x3, 384 -> 384" in printed
    assert "times as fast" in printed
    assert os.environ["FEMO_WINOGRAD"] == "as before"
