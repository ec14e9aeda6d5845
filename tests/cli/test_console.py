import json
import logging
import warnings
from pathlib import Path

import pytest
from rich.table import Table

from femo_jax.cli import console

ATTACK = "a\x1b]0;owned\x07\x9b31m\u202egnp.b"
ESCAPED = "a\\x1b]0;owned\\x07\\x9b31m\\u202egnp.b"


@pytest.mark.parametrize("write", [console.note, console.warn, console.print_result])
def test_control_characters_are_escaped(write, capsys):
    write(f"{ATTACK}: [bold] stays\nand a second line.")
    out, err = capsys.readouterr()
    assert (out + err).removeprefix("femo: ") == f"{ESCAPED}: [bold] stays\nand a second line.\n"


def test_control_characters_in_tables_are_escaped(capsys):
    table = Table(ATTACK)
    table.add_row(ATTACK)
    console.print_table(table)
    printed = capsys.readouterr().out
    assert printed.count(ESCAPED.replace("\\x07", "")) == 2  # Rich drops the bell itself
    assert "\x1b" not in printed


def test_control_characters_in_files_written_log_records_and_status_are_escaped(capsys):
    console.wrote(Path(ATTACK), details=ATTACK)
    logging.getLogger("test").addHandler(handler := console.WarningHandler())
    logging.getLogger("test").error("%s", ATTACK)
    logging.getLogger("test").removeHandler(handler)
    err = capsys.readouterr().err
    assert err.count(ESCAPED) == 3 and "\x1b" not in err
    with console.status(ATTACK) as shown:
        assert shown.status == ESCAPED


def test_names_that_are_not_utf8_are_printed(capsys):
    console.note("bad\udcff.png")
    assert capsys.readouterr().err == "femo: bad\\udcff.png\n"


def test_files_written_are_noted_but_standard_output_is_not(capsys):
    console.wrote(Path("a.png"), None, Path("-"), Path("/dev/stdout"))
    assert capsys.readouterr() == ("", "femo: wrote a.png\n")


def test_json_goes_to_a_file_or_to_standard_output(tmp_path, capsys):
    console.give_json(None, {"a": 1})
    console.give_json(tmp_path / "a.json", {"a": ATTACK})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": ATTACK}
    assert capsys.readouterr().out == ""
    console.give_json(Path("-"), {"a": ATTACK})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"a": ATTACK} and "\x1b" not in printed


def test_quietly_is_left_again(capsys):
    with console.quietly(), warnings.catch_warnings():
        console.note("unheard")
        assert console.error_console().quiet
    console.note("heard")
    assert capsys.readouterr().err == "femo: heard\n"
    assert not console.error_console().quiet


def test_json_has_no_lone_surrogates(tmp_path, capsys):
    value = {"images": [{"path": "caf\udce9 \U0001f600.png", "n": 1, "score": None}]}
    console.give_json(tmp_path / "a.json", value)
    console.give_json(console.STANDARD_OUTPUT, value)
    for text in ((tmp_path / "a.json").read_text(), capsys.readouterr().out):
        assert json.loads(text) == {"images": [{"path": "caf\\xe9 \U0001f600.png", "n": 1, "score": None}]}
