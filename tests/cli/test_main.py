import importlib
import subprocess
import sys

import pytest

from femo_jax import __version__
from femo_jax.cli.main import COMMANDS, main


@pytest.mark.parametrize("arguments", [["--help"], ["-h"]])
def test_help_names_every_command(arguments, capsys):
    assert main(arguments) == 0
    output = capsys.readouterr().out
    assert all(name in output for name in COMMANDS)


def test_without_a_command_it_shows_them_and_fails(capsys):
    assert main([]) == 2
    assert "femo COMMAND" in capsys.readouterr().out


def test_version(capsys):
    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_an_unknown_command_is_named(capsys):
    assert main(["fly"]) == 2
    assert "fly" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert "--" in capsys.readouterr().out


def test_a_reader_that_has_enough_is_no_error():
    script = "from femo_jax.cli.main import main; import sys; sys.exit(main(['models']))"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.wait()
    process.stderr.close()


PLAIN = """
import sys

EXTRA = {"optax", "orbax", "tensorflow", "tensorflow_datasets", "matplotlib", "sklearn", "kagglehub"}


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in EXTRA:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Missing())
from femo_jax.cli.main import main

config, picture = sys.argv[1:]
for arguments in (
    ["train", config, "--data", "drawn"],
    ["sweep", config, "--data", "drawn"],
    ["plot", "run"],
    ["export", "run"],
    ["explain", picture],
):
    assert main(arguments) == 2, arguments
"""


def test_without_its_extras_femo_names_the_one_to_install(tmp_path):
    config = tmp_path / "small.py"
    config.write_text("from femo_jax.train.config import TrainConfig\n\nconfig = TrainConfig()\n")
    command = [sys.executable, "-c", PLAIN, str(config), str(tmp_path / "face.png")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 5
    for line in lines:
        assert line.startswith("femo: ")
        assert line.endswith("pip install 'femo-jax[train]'")
    assert "femo: matplotlib is not installed, which femo plot needs: pip install 'femo-jax[train]'" in lines
    assert [path.name for path in tmp_path.iterdir()] == ["small.py"]


@pytest.mark.parametrize("name", ["femo_jax.train.lost", None])
def test_a_module_that_femo_itself_lacks_is_a_mistake_of_its_own(monkeypatch, name):
    def lose(_):
        raise ModuleNotFoundError("lost", name=name)

    monkeypatch.setattr(importlib, "import_module", lose)
    with pytest.raises(ModuleNotFoundError, match="lost"):
        main(["plot"])
