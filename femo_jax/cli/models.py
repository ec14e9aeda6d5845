"""`femo models`: the networks and what they cost."""

import inspect

import tyro
from rich.console import Console
from rich.table import Table

from femo_jax.models import create_model, model_class, model_cost, model_names


def main(argv: list[str]) -> int:
    """Runs `femo models` with the arguments after the subcommand; returns the exit code."""
    tyro.cli(print_models, prog="femo models", args=argv)
    return 0


def print_models() -> None:
    """Lists the networks with their parameters and multiply-adds for one 48x48 picture."""
    table = Table("name", box=None, pad_edge=False)
    table.add_column("parameters", justify="right")
    table.add_column("multiply-adds", justify="right")
    table.add_column("what it is", overflow="fold")
    for name in model_names():
        cost = model_cost(create_model(name))
        summary = (inspect.getdoc(model_class(name)) or "").partition("\n")[0]
        table.add_row(name, f"{cost.parameters:,}", f"{cost.multiply_adds / 1e6:.1f} M", summary)
    Console().print(table)
