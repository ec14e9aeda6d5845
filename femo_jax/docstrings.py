"""Texts of the fields of dataclasses, from which command line help and the tables of ROS 2 parameters are made."""

import ast
import inspect
import itertools
import textwrap


def field_docs(cls: type) -> dict[str, str]:
    """The string below each field of a class and of its bases, which Python itself discards.

    Args:
      cls: a class whose source can be read.

    Returns:
      The text of each field that has one, as one line.
    """
    texts = {}
    for each in reversed(cls.__mro__[:-1]):
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        assert isinstance(definition, ast.ClassDef)
        for field, text in itertools.pairwise(definition.body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                    texts[name] = " ".join(words.split())
    return texts
