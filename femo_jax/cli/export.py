"""`femo export`: one portable model file from a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from femo_jax.cli.arguments import Plugins, check_outputs, load_plugins
from femo_jax.cli.console import STANDARD_OUTPUT, note, wrote
from femo_jax.cli.parsing import parse

if TYPE_CHECKING:
    from femo_jax.model_file import LoadedModel

_CALIBRATE_HELP = (
    "Calibrate confidences: fit the temperature on the validation split (PublicTest) of this data set (FER-2013 in any"
    " form, or `drawn`)."
)


def run(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("model.safetensors"),
    dtype: Literal["float16", "float32"] = "float16",
    calibrate_on: Annotated[
        str | None, tyro.conf.arg(metavar="DATA", help=_CALIBRATE_HELP, help_behavior_hint="")
    ] = None,
    plugin: Plugins = (),
) -> None:
    """Export the best weights of a run as one portable model file.

    Example: femo export runs/mine -o mine.safetensors --calibrate-on fer2013.zip

    Args:
      run: Run folder of `femo train`; the averaged weights of its best checkpoint are exported.
      output: Model file to write (.safetensors); - is standard output.
      dtype: Type of the stored weights; float16 halves the file.
      calibrate_on: data set on whose validation split the temperature is fitted.
      plugin: See `femo_jax.cli.arguments.Plugins`.
    """
    from femo_jax.model_file import rounded, save_model_file
    from femo_jax.train.checkpoints import load_for_inference

    check_outputs({"--output": output}, model=run.absolute(), data=calibrate_on)
    load_plugins(plugin)
    model = load_for_inference(run)
    if calibrate_on is not None:
        from femo_jax.evaluate.run import calibrate  # reading data needs OpenCV

        model = calibrate(rounded(model, dtype), calibrate_on)
        _note_calibration(model)
    size = save_model_file(Path("/dev/stdout") if output == STANDARD_OUTPUT else output, model, dtype)
    wrote(output, details=f"{model.architecture}, {dtype}, {size / 1e6:.1f} MB")


def _note_calibration(model: "LoadedModel") -> None:
    evaluation, calibration = model.training["evaluation"], model.training["calibration"]
    nll, ece, chance = calibration["nll"], calibration["ece"], calibration["ece_by_chance"]
    note(f"temperature {model.temperature:.4f}, fitted on {calibration['split']} ({calibration['n']:,} images)")
    cross_fitted, folds = calibration["cross_fitted_ece"], calibration["folds"]
    note(f"  accuracy                          {100 * evaluation['accuracy']:.2f} %")
    note(f"  negative log-likelihood           {nll['before']:.4f} -> {nll['after']:.4f} nats")
    note(f"  expected calibration error (ECE)  {100 * ece['before']:.2f} % -> {100 * ece['after']:.2f} %")
    note(f"  ECE, cross-fitted                 {100 * cross_fitted:.2f} % ({folds} folds)")
    note(f"  ECE of a perfect calibration      {100 * chance['mean']:.2f} % (by chance, for so few images)")


def main(argv: list[str]) -> int:
    """Runs `femo export`; returns the exit code."""
    parse(run, "femo export", argv)
    return 0
