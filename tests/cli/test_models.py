import pytest

from femo_jax.cli.models import main
from femo_jax.models import create_model, model_cost, model_names


def test_lists_every_network_with_its_cost(capsys):
    assert main([]) == 0
    rows = capsys.readouterr().out.splitlines()
    for name in model_names():
        (row,) = [row for row in rows if row.startswith(name)]
        cost = model_cost(create_model(name))
        assert f"{cost.parameters:,}" in row
        assert f"{cost.multiply_adds / 1e6:.1f} M" in row


def test_help_says_what_it_does(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "multiply-adds" in capsys.readouterr().out


def test_an_unknown_argument_ends_with_code_2():
    with pytest.raises(SystemExit) as ended:
        main(["--nonsense"])
    assert ended.value.code == 2
