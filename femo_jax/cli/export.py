"""`femo export`: one file from a run or model, for femo or for another runtime."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from femo_jax.cli.arguments import Plugins, check_outputs, load_plugins
from femo_jax.cli.console import STANDARD_OUTPUT, as_file, note, wrote
from femo_jax.cli.parsing import parse
from femo_jax.errors import ConfigError
from femo_jax.files import printable

if TYPE_CHECKING:
    from femo_jax.model_file import LoadedModel

Format = Literal["safetensors", "onnx", "stablehlo", "litert"]

SUFFIXES: dict[str, Format] = {
    ".safetensors": "safetensors",
    ".onnx": "onnx",
    ".stablehlo": "stablehlo",
    ".tflite": "litert",
}
"""Formats by the suffix of a file."""

_MODEL_HELP = "Run folder of `femo train`, model file, or shipped model (default, small)."
_FORMAT_HELP = (
    "safetensors: femo's model file; onnx: for ONNX Runtime and OpenCV; stablehlo: for JAX without femo; litert: for"
    " LiteRT (TensorFlow Lite). By default that of the suffix of --output: .safetensors, .onnx, .stablehlo, .tflite."
)
_CALIBRATE_HELP = (
    "Calibrate confidences: fit the temperature on the validation split (PublicTest) of this data set (FER-2013 in any"
    " form, or `drawn`)."
)
_INT8_HELP = (
    "Quantise an ONNX model to 8-bit integers; ranges are taken from the training split of this data set (FER-2013 in"
    " any form, or `drawn`), and the accuracy lost is measured on its validation split."
)


def run(
    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL", help=_MODEL_HELP)],
    output: Annotated[
        Path | None, tyro.conf.arg(aliases=["-o"], metavar="FILE", help_behavior_hint="(default: model.safetensors)")
    ] = None,
    format: Annotated[Format | None, tyro.conf.arg(metavar="FORMAT", help=_FORMAT_HELP, help_behavior_hint="")] = None,
    dtype: Literal["float16", "float32"] = "float16",
    input: Literal["uint8", "float32"] = "uint8",
    int8: Annotated[str | None, tyro.conf.arg(metavar="DATA", help=_INT8_HELP, help_behavior_hint="")] = None,
    calibrate_on: Annotated[
        str | None, tyro.conf.arg(metavar="DATA", help=_CALIBRATE_HELP, help_behavior_hint="")
    ] = None,
    plugin: Plugins = (),
) -> None:
    """Export a run or model as one portable file.

    Example: femo export runs/mine -o mine.safetensors --calibrate-on fer2013.zip

    Args:
      model: Of a run folder, the averaged weights of its best checkpoint are exported.
      output: File to write; - is standard output, for safetensors.
      format: Format of the file.
      dtype: Type of the stored weights of safetensors; float16 halves the file. Other formats store float32.
      input: What other formats take: pixels in 0..255, or pixels in 0..1 less the mean, divided by the standard
        deviation.
      int8: data set of the quantisation.
      calibrate_on: data set on whose validation split the temperature is fitted.
      plugin: See `femo_jax.cli.arguments.Plugins`.
    """
    from femo_jax.weights import load_model

    output, format = _target(output, format)
    if int8 is not None and format != "onnx":
        raise ConfigError(f"--int8 quantises ONNX models, and the format is {format}. Give --format onnx.")
    check_outputs({"--output": output}, model=model, data=calibrate_on)
    load_plugins(plugin)
    loaded = load_model(model)
    if calibrate_on is not None:
        from femo_jax.evaluate.run import calibrate  # reading data needs OpenCV

        loaded = calibrate(_as_stored(loaded, format, dtype), calibrate_on)
        _note_calibration(loaded)
    details = f"{loaded.architecture}, {dtype if format == 'safetensors' else f'{input} input'}"
    if format == "safetensors":
        from femo_jax.model_file import save_model_file

        size = save_model_file(as_file(output), loaded, dtype)
    elif format == "onnx":
        size = _export_onnx(output, loaded, input, int8, _card(model))
        details += "" if int8 is None else ", int8"
    else:
        size = _export_described(output, loaded, format, input, _card(model))
    wrote(output, details=f"{details}, {size / 1e6:.1f} MB")


def _target(output: Path | None, format: Format | None) -> tuple[Path, Format]:
    """The file and its format, each by the other where it is not given; a name that femo would not read is refused."""
    by_suffix = None if output is None else SUFFIXES.get(output.suffix.lower())
    wanted = format or by_suffix or "safetensors"
    suffix = next(suffix for suffix, name in SUFFIXES.items() if name == wanted)
    if output is None:
        return Path(f"model{suffix}"), wanted
    shown = printable(output)
    if by_suffix not in (None, wanted):
        raise ConfigError(f"{shown}: has the suffix of the format {by_suffix}, and --format is {wanted}. Use {suffix}.")
    if output == STANDARD_OUTPUT and wanted != "safetensors":
        raise ConfigError(f"--format {wanted} cannot be written to standard output. Give --output FILE.")
    if by_suffix is None and wanted != "safetensors":  # readers tell other formats by the suffix
        raise ConfigError(f"{shown}: a file of the format {wanted} has the suffix {suffix}. Use it.")
    if by_suffix is None and format is None and output.suffix:
        others = ", ".join(list(SUFFIXES)[1:])
        raise ConfigError(
            f"{shown}: unknown suffix; expected {suffix}, or {others} for another format. Use one of them, or give"
            " --format safetensors."
        )
    return output, wanted


def _as_stored(loaded: "LoadedModel", format: Format, dtype: Literal["float16", "float32"]) -> "LoadedModel":
    """The model with its weights as the file will have them."""
    from femo_jax.model_file import rounded

    return rounded(loaded, dtype if format == "safetensors" else "float32")


def _card(model: str) -> str:
    """The card beside a shipped model or another model file; empty where there is none."""
    from femo_jax.weights import resolve_model

    card = resolve_model(model).with_suffix(".md")
    return card.read_text("utf-8") if card.is_file() else ""


def _export_onnx(
    output: Path, loaded: "LoadedModel", input: Literal["uint8", "float32"], int8: str | None, card: str
) -> int:
    from femo_jax.export.onnx_file import onnx_model, save_onnx_model

    graph = onnx_model(loaded, faces_as=input)
    if int8 is not None:
        from femo_jax.export.quantize import quantize_on

        graph, loss = quantize_on(graph, loaded, int8, faces_as=input)
        note(f"8-bit integers: accuracy {100 * loss.before:.2f} % -> {100 * loss.after:.2f} %")
        note(f"  {100 * (loss.before - loss.after):.2f} points lost, on validation ({loss.n:,} images)")
    return save_onnx_model(output, loaded, graph, faces_as=input, quantized=int8 is not None, card=card)


def _export_described(
    output: Path, loaded: "LoadedModel", format: Format, input: Literal["uint8", "float32"], card: str
) -> int:
    from femo_jax.export.described import save_description

    if format == "stablehlo":
        from femo_jax.export.stablehlo import save_stablehlo

        size = save_stablehlo(output, loaded, faces_as=input)
    else:
        from femo_jax.export.litert import save_litert

        size = save_litert(output, loaded, faces_as=input)
    wrote(save_description(output, loaded, faces_as=input, card=card))
    return size


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
