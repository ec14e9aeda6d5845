"""How the command line talks to a person beside its results: lines on the standard error."""

from rich.console import Console


def say(message: str) -> None:
    """Prints a line; where the standard error was redirected, that is where it goes."""
    Console(stderr=True).print(f"femo: {message}", highlight=False, markup=False, soft_wrap=True)
