"""`femo export`: one portable model file from a run."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from femo_jax.model_file import load_model_file, save_model_file
from femo_jax.train.checkpoints import load_for_inference


def run(
    workdir: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="WORKDIR")],
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("model.safetensors"),
    dtype: Literal["float16", "float32"] = "float16",
) -> None:
    """Writes the best checkpoint's averaged weights, with all that is needed to run them, as one file.

    Args:
      workdir: The folder of a run of `femo train`.
      output: The model file, by custom .safetensors.
      dtype: Of the stored weights; float16 halves the file.
    """
    save_model_file(output, load_for_inference(workdir), dtype)
    loaded = load_model_file(output)  # what was written can be read
    print(f"Written: {output} ({loaded.architecture}, {dtype}, {output.stat().st_size / 1e6:.1f} MB)")


def main(argv: list[str]) -> int:
    """Runs `femo export`; returns the exit code."""
    tyro.cli(run, prog="femo export", args=argv)
    return 0
