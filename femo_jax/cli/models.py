"""`femo models`: the shipped models and the architectures."""

import inspect
from typing import Any

from rich.table import Table

from femo_jax import weights
from femo_jax.cli.arguments import OutputFile
from femo_jax.cli.console import STANDARD_OUTPUT, give_json, print_table, wrote
from femo_jax.cli.parsing import parse


def main(argv: list[str]) -> int:
    """Runs `femo models` with the arguments after the subcommand; returns the exit code."""
    parse(run, "femo models", argv)
    return 0


def run(json: OutputFile = None) -> None:
    """List the shipped models with size and accuracy, and the architectures that can be trained.

    Example: femo models

    Args:
      json: Write both lists as JSON; - prints them in place of the tables.
    """
    from femo_jax.models import model_names  # imports JAX

    shipped = [weights.model_record(name) | {"aliases": _aliases(name)} for name in weights.shipped_names()]
    architectures = [_architecture(name) for name in model_names()]
    give_json(json, {"models": shipped, "architectures": architectures})
    wrote(json)
    if json != STANDARD_OUTPUT:
        print_table(_shipped_table(shipped))
        print_table(_architectures_table(architectures))


def _aliases(name: str) -> list[str]:
    return [alias for alias, full in weights.ALIASES.items() if full == name]


def _architecture(name: str) -> dict[str, Any]:
    from femo_jax.models import create_model, model_class, model_cost

    cost = model_cost(create_model(name))
    summary = (inspect.getdoc(model_class(name)) or "").partition("\n")[0]
    return {"name": name, "parameters": cost.parameters, "multiply_adds": cost.multiply_adds, "summary": summary}


def _shipped_table(shipped: list[dict[str, Any]]) -> Table:
    table = Table("name", "alias", box=None, pad_edge=False, title="Shipped models (FER-2013 accuracy without TTA)")
    for column in ("parameters", "multiply-adds", "size", "PublicTest", "PrivateTest", "ECE"):
        table.add_column(column, justify="right")
    for record in shipped:
        plain = {each["split"]: each for each in record["evaluations"] if each["tta"] == "none"}
        accuracy = (f"{100 * plain[split]['accuracy']:.2f} %" for split in ("validation", "test"))
        table.add_row(
            record["name"],
            ", ".join(record["aliases"]),
            *_size(record),
            f"{record['bytes'] / 1e6:.1f} MB",
            *accuracy,
            f"{100 * plain['test']['ece']:.2f} %",
        )
    return table


def _architectures_table(architectures: list[dict[str, Any]]) -> Table:
    table = Table("name", box=None, pad_edge=False, title="Architectures, with their default options")
    table.add_column("parameters", justify="right")
    table.add_column("multiply-adds", justify="right")
    table.add_column("description", overflow="fold")
    for each in architectures:
        table.add_row(each["name"], *_size(each), each["summary"])
    return table


def _size(record: dict[str, Any]) -> tuple[str, str]:
    return f"{record['parameters']:,}", f"{record['multiply_adds'] / 1e6:.1f} M"
