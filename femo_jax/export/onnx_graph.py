"""The ONNX graph of a network, from the JAX operations that it is traced to.

This covers the operations that femo's layers, and networks made of the same, come down to at inference; another one is
refused by its name. It is no general converter. A convolution takes channels first in ONNX and last in femo: a value
therefore carries the order of its axes along, and is transposed only where the order matters.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import onnx
from jax.extend.core import Literal
from onnx import TensorProto, helper, numpy_helper

from femo_jax.errors import ModelFileError

OPSET = 13
"""Version of the operators: the newest that all of OpenCV 4.6 and later and ONNX Runtime 1.8 and later read."""

INPUT, OUTPUT = "faces", "probabilities"
"""Names of the graph's input and output."""

_IR_VERSION = 8
_BINARY = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "max": "Max", "min": "Min", "pow": "Pow"}
_COMPARE = {"gt": "Greater", "ge": "GreaterOrEqual", "lt": "Less", "le": "LessOrEqual", "eq": "Equal"}
_UNARY = {
    "neg": "Neg",
    "exp": "Exp",
    "log": "Log",
    "tanh": "Tanh",
    "logistic": "Sigmoid",
    "sqrt": "Sqrt",
    "abs": "Abs",
    "erf": "Erf",
}
_SAME = ("stop_gradient", "copy", "copy_p", "name", "optimization_barrier")
_REDUCE = {"reduce_max": "ReduceMax", "reduce_min": "ReduceMin", "reduce_sum": "ReduceMean"}
_CALLS = ("jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "checkpoint", "remat2")


class _Value(NamedTuple):
    """A value that depends on the input.

    Attributes:
      name: in the graph.
      axes: for each axis in the graph, which axis it is in JAX.
    """

    name: str
    axes: tuple[int, ...]


def onnx_graph(logits: Callable[..., jax.Array], faces: jax.ShapeDtypeStruct) -> onnx.ModelProto:
    """Trace a network to an ONNX model that gives probabilities.

    Args:
      logits: of faces `[n, h, w]`, `[n, classes] float32`.
      faces: of the shape and dtype of its input, with a symbolic n.

    Returns:
      A model without metadata, with the input `faces` and the output `probabilities`, of opset `OPSET`.

    Raises:
      ModelFileError: the network uses an operation that is not covered; the message names it.
    """
    traced = jax.make_jaxpr(logits)(faces)
    graph = _Graph()
    (result,) = graph.evaluate(traced.jaxpr, traced.consts, [_Value(INPUT, (0, 1, 2))])
    if isinstance(result, np.ndarray):
        raise ModelFileError("the network's output does not depend on the image; there is nothing to export.")
    graph.node("Softmax", [graph.in_order(result).name], outputs=[OUTPUT], axis=1)
    pixels = TensorProto.UINT8 if faces.dtype == np.uint8 else TensorProto.FLOAT
    classes = traced.out_avals[0].shape[1]
    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            "femo",
            [helper.make_tensor_value_info(INPUT, pixels, ["n", *faces.shape[1:]])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", classes])],
            [numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="femo",
    )


class _Graph:
    """The nodes and constants of a graph that is being made."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}

    def node(self, kind: str, inputs: Sequence[str], outputs: Sequence[str] = (), **attributes: Any) -> str:
        """Append a node; returns the name of its first output."""
        names = list(outputs) or [f"{kind}_{len(self.nodes)}"]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=names[0], **attributes))
        return names[0]

    def constant(self, array: Any) -> str:
        """The name of a constant, which is added."""
        name = f"constant_{len(self.constants)}"
        self.constants[name] = np.ascontiguousarray(array)
        return name

    def in_order(self, value: _Value, axes: Sequence[int] | None = None) -> _Value:
        """The value with its axes in the given order, that of JAX by default."""
        axes = tuple(range(len(value.axes)) if axes is None else axes)
        if axes == value.axes:
            return value
        return _Value(self.node("Transpose", [value.name], perm=[value.axes.index(axis) for axis in axes]), axes)

    def evaluate(self, jaxpr: Any, consts: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
        """Append what a traced function computes; each argument and result is a `_Value` or a known array."""
        known: dict[Any, Any] = dict(zip(jaxpr.constvars, map(np.asarray, consts), strict=True))
        known.update(zip(jaxpr.invars, arguments, strict=True))

        def read(variable: Any) -> Any:
            return np.asarray(variable.val) if isinstance(variable, Literal) else known[variable]

        for step in jaxpr.eqns:
            known.update(zip(step.outvars, self._step(step, [read(each) for each in step.invars]), strict=True))
        return [read(each) for each in jaxpr.outvars]

    def _step(self, step: Any, inputs: list[Any]) -> list[Any]:
        kind = step.primitive.name
        if kind in _CALLS:
            inner = step.params.get("jaxpr") or step.params.get("call_jaxpr") or step.params.get("fun_jaxpr")
            if step.params.get("name") == "relu" and isinstance(inputs[0], _Value):
                return [_Value(self.node("Relu", [inputs[0].name]), inputs[0].axes)]
            jaxpr = getattr(inner, "jaxpr", inner)
            return self.evaluate(jaxpr, getattr(inner, "consts", ()), inputs)
        if kind == "broadcast_in_dim":
            return [self._broadcast(step, inputs[0])]
        if not any(isinstance(each, _Value) for each in inputs):
            known = step.primitive.bind(*inputs, **step.params)
            return [np.asarray(each) for each in (known if step.primitive.multiple_results else [known])]
        if kind in _SAME:
            return inputs
        if kind in _BINARY or kind in _COMPARE:
            return [self._elementwise({**_BINARY, **_COMPARE}[kind], inputs)]
        if kind in _UNARY:
            return [_Value(self.node(_UNARY[kind], [inputs[0].name]), inputs[0].axes)]
        convert = _CONVERTERS.get(kind)
        if convert is None:
            raise _not_covered(kind)
        return [convert(self, step, *inputs)]

    def _elementwise(self, kind: str, inputs: Sequence[Any]) -> _Value:
        """An operation on values of one rank, or on scalars, which ONNX broadcasts."""
        axes = max((each.axes for each in inputs if isinstance(each, _Value)), key=len)
        names = []
        for each in inputs:
            if isinstance(each, _Value):
                names.append(self.in_order(each, axes).name)
            else:
                array = each.transpose(axes) if each.ndim else each
                # OpenCV 4.6 adds a row to several rows if it has one axis.
                names.append(self.constant(array[0] if array.ndim == 2 and len(array) == 1 else array))
        return _Value(self.node(kind, names), axes)

    def _broadcast(self, step: Any, x: Any) -> Any:
        """Give a value further axes; those of length 1, and the symbolic one, are left to ONNX to expand."""
        shape, places = step.params["shape"], step.params["broadcast_dimensions"]
        if isinstance(x, _Value):
            if any(size != 1 for axis, size in enumerate(shape) if axis not in places) or any(
                shape[place] != size for place, size in zip(places, step.invars[0].aval.shape, strict=True)
            ):
                raise _not_covered(f"broadcast_in_dim to {list(shape)}")
            return self.reshape(x, shape)
        sizes = [size if isinstance(size, int) else 1 for size in shape]
        kept = [1] * len(sizes)
        for place, size in zip(places, x.shape, strict=True):
            kept[place] = size
        return np.broadcast_to(x.reshape(kept), sizes)

    def reshape(self, x: _Value, shape: Sequence[Any]) -> _Value:
        """Give a value another shape, in the order of JAX; the symbolic size is found by ONNX."""
        if sum(not isinstance(size, int) for size in shape) > 1:
            raise _not_covered(f"reshape to {list(shape)}")
        sizes = np.array([size if isinstance(size, int) else -1 for size in shape], np.int64)
        return _Value(self.node("Reshape", [self.in_order(x).name, self.constant(sizes)]), tuple(range(len(shape))))


def _not_covered(operation: str) -> ModelFileError:
    return ModelFileError(
        f"the network uses the operation {operation}, which the ONNX export of femo does not cover. Build it from the"
        " layers of femo_jax.models.layers, or export it with --format stablehlo."
    )


def _whole(kind: str, array: Any, variable: Any) -> np.ndarray:
    """A known array that must have the shape that JAX has for it: nothing expands it here."""
    if not isinstance(array, np.ndarray) or array.shape != variable.aval.shape:
        raise _not_covered(f"{kind} of two values that both depend on the image")
    return array


def _value(kind: str, x: Any) -> _Value:
    if not isinstance(x, _Value):
        raise _not_covered(f"{kind} of a constant by a value that depends on the image")
    return x


def _convert_type(graph: _Graph, step: Any, x: _Value) -> _Value:
    dtype = np.dtype(step.params["new_dtype"])
    if dtype == step.invars[0].aval.dtype:
        return x
    try:
        to = helper.np_dtype_to_tensor_dtype(dtype)
    except (KeyError, ValueError) as error:
        raise _not_covered(f"convert_element_type to {dtype}") from error
    return _Value(graph.node("Cast", [x.name], to=to), x.axes)


def _convolution(graph: _Graph, step: Any, x: Any, kernel: Any) -> _Value:
    params = step.params
    numbers = params["dimension_numbers"]
    kernel = _whole("conv_general_dilated", kernel, step.invars[1]).transpose(numbers.rhs_spec)
    if params["batch_group_count"] != 1 or any(size != 1 for size in params["lhs_dilation"]):
        raise _not_covered("conv_general_dilated with a dilated input (a transposed convolution)")
    x = graph.in_order(_value("conv_general_dilated", x), numbers.lhs_spec)
    output = graph.node(
        "Conv",
        [x.name, graph.constant(kernel)],
        strides=list(params["window_strides"]),
        pads=_pads(params["padding"]),
        dilations=list(params["rhs_dilation"]),
        group=params["feature_group_count"],
        kernel_shape=list(kernel.shape[2:]),
    )
    return _Value(output, tuple(numbers.out_spec))


def _pads(padding: Sequence[tuple[int, int]]) -> list[int]:
    """All paddings before, then all behind."""
    return [low for low, _ in padding] + [high for _, high in padding]


def _pool(graph: _Graph, step: Any, x: _Value) -> _Value:
    params, kind = step.params, step.primitive.name
    window, strides = params["window_dimensions"], params["window_strides"]
    axes = x.axes if len(x.axes) == 4 and all(window[axis] == 1 for axis in x.axes[:2]) else (0, 3, 1, 2)
    dilated = any(size != 1 for size in (*params["base_dilation"], *params["window_dilation"]))
    if len(window) != 4 or dilated or any(window[axis] * strides[axis] != 1 for axis in axes[:2]):
        raise _not_covered(f"{kind} with a window {list(window)}")
    spatial = axes[2:]
    attributes: dict[str, Any] = {
        "kernel_shape": [window[axis] for axis in spatial],
        "strides": [strides[axis] for axis in spatial],
        "pads": _pads([params["padding"][axis] for axis in spatial]),
    }
    name = graph.in_order(x, axes).name
    if kind == "reduce_window_max":
        return _Value(graph.node("MaxPool", [name], **attributes), axes)
    mean = graph.node("AveragePool", [name], count_include_pad=1, **attributes)
    pixels = graph.constant(np.float32(np.prod(attributes["kernel_shape"])))
    return _Value(graph.node("Mul", [mean, pixels]), axes)


def _reduce(graph: _Graph, step: Any, x: _Value) -> _Value:
    kind, reduced = step.primitive.name, step.params["axes"]
    name = graph.node(_REDUCE[kind], [x.name], axes=[x.axes.index(axis) for axis in reduced], keepdims=0)
    if kind == "reduce_sum":  # OpenCV 4.6 has no ReduceSum of this opset
        summed = [step.invars[0].aval.shape[axis] for axis in reduced]
        if not all(isinstance(size, int) for size in summed):
            raise _not_covered("reduce_sum over the batch")
        name = graph.node("Mul", [name, graph.constant(np.float32(np.prod(summed)))])
    left = [axis for axis in x.axes if axis not in reduced]
    return _Value(name, tuple(sorted(left).index(axis) for axis in left))


def _dot(graph: _Graph, step: Any, x: Any, y: Any) -> _Value:
    (contracted, batch), left = step.params["dimension_numbers"], step.invars[0].aval.ndim
    y = _whole("dot_general", y, step.invars[1])
    if batch != ((), ()) or contracted != ((left - 1,), (0,)) or y.ndim != 2:
        raise _not_covered(f"dot_general with dimension numbers {step.params['dimension_numbers']}")
    x = graph.in_order(_value("dot_general", x))
    return _Value(graph.node("MatMul", [x.name, graph.constant(y)]), tuple(range(left)))


def _transpose(graph: _Graph, step: Any, x: _Value) -> _Value:
    order = step.params["permutation"]
    return _Value(x.name, tuple(order.index(axis) for axis in x.axes))


def _reshape(graph: _Graph, step: Any, x: _Value) -> _Value:
    return graph.reshape(x, step.outvars[0].aval.shape)


def _slice(graph: _Graph, step: Any, x: _Value) -> _Value:
    params, sizes = step.params, step.invars[0].aval.shape
    strides = params["strides"] or (1,) * len(sizes)
    cut = [
        axis
        for axis, (start, stop, stride) in enumerate(
            zip(params["start_indices"], params["limit_indices"], strides, strict=True)
        )
        if start != 0 or stop != sizes[axis] or stride != 1
    ]
    if not cut:
        return x
    if any(not isinstance(params["limit_indices"][axis], int) for axis in cut):
        raise _not_covered("slice of the batch")
    starts, stops = ([params[name][axis] for axis in cut] for name in ("start_indices", "limit_indices"))
    ends = [starts, stops, [x.axes.index(axis) for axis in cut], [strides[axis] for axis in cut]]
    return _Value(graph.node("Slice", [x.name, *(graph.constant(np.array(each, np.int64)) for each in ends)]), x.axes)


def _pad(graph: _Graph, step: Any, x: Any, filling: Any) -> _Value:
    x, filling, padding = _value("pad", x), _whole("pad", filling, step.invars[1]), step.params["padding_config"]
    if any(min(low, high) < 0 or inner for low, high, inner in padding):
        raise _not_covered("pad with negative or inner padding")
    pads = np.array(_pads([padding[axis][:2] for axis in x.axes]), np.int64)
    return _Value(graph.node("Pad", [x.name, graph.constant(pads), graph.constant(filling)]), x.axes)


def _concatenate(graph: _Graph, step: Any, *parts: Any) -> _Value:
    axes = next(part.axes for part in parts if isinstance(part, _Value))
    names = [
        graph.in_order(part, axes).name
        if isinstance(part, _Value)
        else graph.constant(_whole("concatenate", part, variable).transpose(axes))
        for part, variable in zip(parts, step.invars, strict=True)
    ]
    return _Value(graph.node("Concat", names, axis=axes.index(step.params["dimension"])), axes)


def _select(graph: _Graph, step: Any, which: Any, *cases: Any) -> _Value:
    if len(cases) != 2 or step.invars[0].aval.dtype != np.bool_:
        raise _not_covered(f"select_n of {len(cases)} cases")
    return graph._elementwise("Where", [which, cases[1], cases[0]])


def _power(graph: _Graph, step: Any, x: _Value) -> _Value:
    return graph._elementwise("Pow", [x, np.asarray(step.params.get("y", 2), np.float32)])


def _rsqrt(graph: _Graph, step: Any, x: _Value) -> _Value:
    return _Value(graph.node("Reciprocal", [graph.node("Sqrt", [x.name])]), x.axes)


_CONVERTERS: Mapping[str, Callable[..., _Value]] = {
    "concatenate": _concatenate,
    "conv_general_dilated": _convolution,
    "convert_element_type": _convert_type,
    "dot_general": _dot,
    "expand_dims": _reshape,
    "integer_pow": _power,
    "pad": _pad,
    "reduce_max": _reduce,
    "reduce_min": _reduce,
    "reduce_sum": _reduce,
    "reduce_window_max": _pool,
    "reduce_window_sum": _pool,
    "reshape": _reshape,
    "rsqrt": _rsqrt,
    "select_n": _select,
    "slice": _slice,
    "square": _power,
    "squeeze": _reshape,
    "transpose": _transpose,
}
