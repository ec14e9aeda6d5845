"""femo's recognition without pip: as much of the Python package femo_jax as a robot needs, and one ONNX model.

`provide()` before `import femo_jax` is all that a node calls. A femo-jax that was installed by pip comes first, since
it has the other models and JAX as well.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent


def provide() -> None:
    """Have `import femo_jax` find this package's copy where no other is installed."""
    if find_spec("femo_jax") is None:
        copy = _FOLDER / "copy"
        # `colcon build --symlink-install` copies nothing: there it is the link beside setup.py.
        sys.path.append(str(copy if copy.is_dir() else _FOLDER.parent))
