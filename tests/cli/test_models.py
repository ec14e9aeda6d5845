import json

import pytest

from femo_jax.cli.models import main
from femo_jax.models import create_model, model_cost, model_names


def test_lists_the_shipped_models_with_size_and_accuracy(capsys):
    assert main([]) == 0
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "femonet-base default 4,821,223 199.3 M 9.7 MB 72.36 % 71.97 % 2.13 %" in rows
    assert "femonet-small small 979,303 48.3 M 2.0 MB 70.91 % 70.47 % 1.89 %" in rows


def test_lists_every_architecture_with_its_cost(capsys):
    assert main([]) == 0
    rows = capsys.readouterr().out.splitlines()
    for name in model_names():
        (row,) = [row for row in rows if row.split()[:1] == [name]]
        cost = model_cost(create_model(name))
        assert f"{cost.parameters:,}" in row
        assert f"{cost.multiply_adds / 1e6:.1f} M" in row


def test_prints_json(capsys):
    assert main(["--json", "-"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(each["name"], each["aliases"]) for each in listed["models"]] == [
        ("femonet-base", ["default"]),
        ("femonet-small", ["small"]),
    ]
    assert [each["name"] for each in listed["architectures"]] == list(model_names())


def test_help_describes_the_command(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "shipped models with size and accuracy" in " ".join(capsys.readouterr().out.split())


def test_an_unknown_argument_ends_with_code_2():
    with pytest.raises(SystemExit) as ended:
        main(["--nonsense"])
    assert ended.value.code == 2
