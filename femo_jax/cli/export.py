"""`femo export`: one portable model file from a run."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from femo_jax.model_file import LoadedModel, load_model_file, rounded, save_model_file
from femo_jax.train.checkpoints import load_for_inference


def run(
    workdir: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="WORKDIR")],
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("model.safetensors"),
    dtype: Literal["float16", "float32"] = "float16",
    calibrate_on: Annotated[str | None, tyro.conf.arg(metavar="PATH")] = None,
) -> None:
    """Writes the best checkpoint's averaged weights, with all that is needed to run them, as one file.

    Args:
      workdir: The folder of a run of `femo train`.
      output: The model file, by custom .safetensors.
      dtype: Of the stored weights; float16 halves the file.
      calibrate_on: FER-2013 in any form, or `drawn`: fit the temperature on its validation split (PublicTest), so that
        confidences are probabilities.
    """
    model = load_for_inference(workdir)
    if calibrate_on is not None:
        from femo_jax.evaluate.run import calibrate  # reading data needs TensorFlow

        model = calibrate(rounded(model, dtype), calibrate_on)
        _print_calibration(model)
    save_model_file(output, model, dtype)
    loaded = load_model_file(output)  # what was written can be read
    print(f"Written: {output} ({loaded.architecture}, {dtype}, {output.stat().st_size / 1e6:.1f} MB)")


def _print_calibration(model: LoadedModel) -> None:
    evaluation, calibration = model.training["evaluation"], model.training["calibration"]
    nll, ece, chance = calibration["nll"], calibration["ece"], calibration["ece_by_chance"]
    print(f"Temperature {model.temperature:.4f}, fitted on {calibration['split']} ({calibration['n']:,} pictures)")
    print(f"  accuracy                    {100 * evaluation['accuracy']:.2f} %")
    print(f"  negative log-likelihood     {nll['before']:.4f} -> {nll['after']:.4f} nats")
    print(f"  expected calibration error  {100 * ece['before']:.2f} % -> {100 * ece['after']:.2f} %")
    print(f"  the same, cross-fitted      {100 * calibration['cross_fitted_ece']:.2f} % ({calibration['folds']} folds)")
    print(f"  of a perfect calibration    {100 * chance['mean']:.2f} % (by chance, from so few pictures)")


def main(argv: list[str]) -> int:
    """Runs `femo export`; returns the exit code."""
    tyro.cli(run, prog="femo export", args=argv)
    return 0
