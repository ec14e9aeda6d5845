"""Trained networks in the formats of other runtimes: ONNX, StableHLO, LiteRT.

    model -> network.py (BatchNorm folded, one function of faces) -> onnx_file.py, stablehlo.py or litert.py

Begin with `network.py`. Reading an ONNX model needs none of this, see `femo_jax/onnx_model.py`.
"""
