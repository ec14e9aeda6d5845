import importlib
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import pytest

from femo_jax import __version__
from femo_jax.cli import console
from femo_jax.cli import main as cli
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


@pytest.mark.parametrize(
    ("word", "hint"),
    [("fly", "'fly'. Choose one of live, serve"), ("predit", "'predit'. Did you mean predict? Choose")],
)
def test_an_unknown_command_is_named(word, hint, capsys):
    assert main([word]) == 2
    assert f"no command {hint}" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert "--" in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"live", "serve", "models"}))
def test_a_command_without_what_it_needs_prints_what_that_is(name, capsys):
    try:
        code = main([name])
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert re.search("(?i)expected|missing|at least one", capsys.readouterr().err)


@pytest.fixture
def command(monkeypatch):
    """Has `femo plot` do what the test sets."""
    module = types.ModuleType("femo_jax.cli.plot")
    monkeypatch.setattr(cli, "_module", lambda _: module)

    def set_main(main):
        module.main = main

    return set_main


def raiser(error):
    def main(_):
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            ImportError("libGL.so.1: cannot open shared object file: No such file or directory"),
            2,
            "the system library libGL.so.1 is missing. On Debian and Ubuntu: apt-get install libgl1.",
        ),
        (
            ImportError("libstrange.so.3: cannot open shared object file: No such file or directory"),
            2,
            "the system library libstrange.so.3 is missing. Where no window",
        ),
        (
            RuntimeError("Unable to initialize backend 'cuda': no supported devices found\nmore"),
            2,
            "JAX cannot start (Unable to initialize backend 'cuda': no supported devices found). Set JAX_PLATFORMS=cpu",
        ),
        (RuntimeError("Could not determine home directory."), 2, "name the folder in full"),
        (PermissionError(13, "Permission denied", "secret.json"), 1, "secret.json: Permission denied"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_faults_of_the_machine_take_one_line(command, capsys, error, code, said):
    command(raiser(error))
    assert main(["plot"]) == code
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == (said != "")


@pytest.mark.parametrize("error", [ImportError("cannot import name 'x'"), RuntimeError("a fault of femo")])
def test_other_errors_keep_their_traceback(command, error):
    command(raiser(error))
    with pytest.raises(type(error)):
        main(["plot"])


def test_quiet_leaves_results_and_warnings(command, capsys):
    def run(arguments):
        console.print_result(f"result {arguments}")
        console.wrote(Path("a.png"))
        console.note("hint")
        console.warn("skipped")
        return 0

    command(run)
    assert main(["plot", "x", "--quiet"]) == main(["--quiet", "plot", "x"]) == 0
    quiet = capsys.readouterr()
    assert quiet.out == "result ['x']\n" * 2
    assert quiet.err == "femo: skipped\n" * 2
    assert main(["plot", "--", "--quiet"]) == 0
    loud = capsys.readouterr()
    assert loud.out == "result ['--', '--quiet']\n"
    assert loud.err == "femo: wrote a.png\nfemo: hint\nfemo: skipped\n"


@pytest.mark.integration
@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["plot", "--help"], ["models", "--json", "-"]])
def test_a_full_disk_behind_standard_output_takes_one_line(arguments):
    script = "from femo_jax.cli.main import main; import sys; sys.exit(main(sys.argv[1:]))"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr == (
        "femo: the output could not be written (No space left on device). Make room or choose another file.\n"
    )


@pytest.mark.integration
@pytest.mark.parametrize("platform", ["cuda", "nonsense"])
def test_a_platform_without_a_device_takes_one_line(platform, tmp_path):
    femo = [sys.executable, "-m", "femo_jax.cli.main", "explain", "face.png", "--faces", "cropped", "-o", "-"]
    environment = os.environ | {"JAX_PLATFORMS": platform}
    cv2.imwrite(str(tmp_path / "face.png"), np.zeros((48, 48), np.uint8))
    done = subprocess.run(femo, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"femo: JAX_PLATFORMS={platform}: JAX cannot start (")
    assert "Traceback" not in done.stderr and not done.stdout


@pytest.mark.integration
def test_completion_knows_commands_and_their_options(capsys):
    assert main(["--print-completion", "bash"]) == 0
    script = capsys.readouterr().out
    asked = (
        "complete() { :; }\n" + script + "\n"
        'ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tyro_femo; echo "${COMPREPLY[@]}"; }\n'
        "ask femo ev; ask femo data pr; ask femo evaluate --split ''"
    )
    answered = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True).stdout
    assert answered.splitlines() == ["evaluate", "prepare", "train validation test"]
    assert main(["--print-completion", "nosh"]) == 2


@pytest.mark.integration
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

config, image = sys.argv[1:]
for arguments in (
    ["train", config, "--data", "drawn"],
    ["sweep", config, "--data", "drawn"],
    ["plot", "run"],
    ["export", "run"],
    ["explain", image],
):
    assert main(arguments) == 2, arguments
"""


HELP = """
import sys

EXTRA = {"optax", "orbax", "tensorflow", "tensorflow_datasets", "matplotlib", "sklearn", "kagglehub", "av"}


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in EXTRA:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file: No such file", name="cv2")


sys.meta_path.insert(0, Missing())
from femo_jax.cli.main import main

for arguments in (["--help"], *([command, "--help"] for command in sys.argv[1:])):
    try:
        assert main(arguments) == 0, arguments
    except SystemExit as ended:
        assert ended.code == 0, arguments
"""


@pytest.mark.integration
def test_help_needs_no_extra_and_no_opencv():
    command = [sys.executable, "-c", HELP, *COMMANDS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.integration
def test_without_its_extras_femo_names_the_one_to_install(tmp_path):
    config = tmp_path / "small.py"
    config.write_text("from femo_jax.train.config import TrainConfig\n\nconfig = TrainConfig()\n")
    (tmp_path / "run").mkdir()
    command = [sys.executable, "-c", PLAIN, str(config), str(tmp_path / "face.png")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 5
    for line in lines:
        assert line.startswith("femo: ")
        assert line.endswith("pip install 'femo-jax[train]'")
    assert "femo: matplotlib is not installed, which femo plot needs: pip install 'femo-jax[train]'" in lines
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "small.py"]


@pytest.mark.parametrize("name", ["femo_jax.train.lost", None])
def test_a_module_that_femo_itself_lacks_is_a_mistake_of_its_own(monkeypatch, name):
    def lose(_):
        raise ModuleNotFoundError("lost", name=name)

    monkeypatch.setattr(importlib, "import_module", lose)
    with pytest.raises(ModuleNotFoundError, match="lost"):
        main(["plot"])


PAGES = [[name] for name in COMMANDS if name != "data"] + [["data", name] for name in ("prepare", "download", "audit")]


@pytest.mark.parametrize("command", PAGES, ids=" ".join)
def test_help_shows_an_example_and_no_none(command, capsys):
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    help_text = " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().out).split())
    assert f"Example: femo {' '.join(command)}" in help_text
    assert not re.search(r"\(default: (None)?\)|None[,}|]|\(optional\)|default if used", help_text)


def test_a_cache_that_cannot_be_written_is_not_given_to_jax(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    for cache, expected in ((tmp_path / "file" / "cache", None), (tmp_path / "new", str(tmp_path / "new" / "xla"))):
        monkeypatch.setenv("FEMO_CACHE", str(cache))
        with pytest.raises(SystemExit):
            main(["predict", "--help"])
        assert os.environ.get("JAX_COMPILATION_CACHE_DIR") == expected
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        ("matplotlib", "femo-jax[train]"),
        ("orbax", "femo-jax[train]"),
        ("tensorflow", "femo-jax[train]"),
        ("tensorboardX", "femo-jax[tensorboard]"),
        ("skimage", "femo-jax[demo]"),
        ("cv2", "femo-jax"),
        ("jax", "femo-jax"),
        ("absl", "absl"),
    ],
)
def test_a_missing_package_is_installed_with_the_extra_that_brings_it(package, expected):
    assert cli._provider(package) == expected
