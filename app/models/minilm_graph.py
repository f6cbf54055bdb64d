"""all-MiniLM-L6-v2 as an ONNX graph: BERT (Devlin et al. 2018), 6 layers of 12 heads, mean pooling, L2 norm.

The graph is made in memory each time (0.2 s): it refers to the weights instead of holding them, so nothing
derived from the 91 MB has to be written, kept fresh or shared between processes.

In int8 the products with weights are of integers: a weight's column is stored as -63..63 times a scale of its own, a
token's activations as 1..255 around 128 times theirs. A token is quantised alone, so a text has the same vector
whatever is embedded beside it; and 255 * 63 * 2 fits 16 bits, so processors whose instructions would saturate there
(AVX2 without VNNI) calculate what the others do.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

HIDDEN = 384
HEADS = 12
LAYERS = 6
#: sentence_bert_config.json: what is beyond this many tokens is cut.
MAX_TOKENS = 256
EPSILON = 1e-12
#: onnxruntime's own operators: fused, in fp32, and exact to 1e-6 against the plain ones.
FUSED = "com.microsoft"
Precision: TypeAlias = Literal["fp32", "int8"]
#: The largest quantised weight and activation, and the activation that means 0.
MAX_WEIGHT, MAX_ACTIVATION, ZERO = 63, 127, 128

Array = npt.NDArray[Any]


class Graph(NamedTuple):
    """A serialised ONNX model, and by name the weights that it refers to.

    Inputs `ids` and `mask`: int32, shape (texts, tokens), tokens <= 256, padded on the right with mask 0.
    Output `vectors`: float32, shape (texts, 384), L2-normalised.
    """

    model: bytes
    weights: dict[str, Array]


def create_graph(read: Callable[[str], Array], precision: Precision = "fp32") -> Graph:
    """The graph over the tensors of model.safetensors, which `read` gives by name.

    Vectors of int8 have a mean cosine of 0.996 to those of fp32 (11,429 abstracts), and cost half the time.
    """
    builder = _IntegerBuilder(read) if precision == "int8" else _Builder(read)
    hidden = builder.add_embeddings()
    for layer in range(LAYERS):
        hidden = builder.add_layer(hidden, f"encoder.layer.{layer}.")
    builder.add_pooling(hidden)
    return Graph(builder.serialise(), builder.weights)


class _Builder:
    """Collects nodes; each add_ method returns the name of what it computes."""

    def __init__(self, read: Callable[[str], Array]) -> None:
        # 26 MB that is only needed while a model is loaded
        import onnx  # noqa: PLC0415

        self._onnx = onnx
        self._read = read
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self.weights: dict[str, Array] = {}

    def add_embeddings(self) -> str:
        """Word + position + the first token type (a single text has no second), normalised."""
        part = "embeddings."
        types = self._read(part + "token_type_embeddings.weight")[0]
        positions = self._read(part + "position_embeddings.weight")[:MAX_TOKENS] + types
        words = self._weight("words", self._read(part + "word_embeddings.weight"))
        zero, one, two = (self._integers(n) for n in (0, 1, 2))
        length = self._node("Slice", [self._node("Shape", ["ids"]), one, two])
        here = self._node("Slice", [self._weight("positions", positions), zero, length, zero])
        summed = self._node("Add", [self._node("Gather", [words, "ids"]), here])
        norm = [self._tensor(part + "LayerNorm.weight"), self._tensor(part + "LayerNorm.bias")]
        return self._node("LayerNormalization", [summed, *norm], axis=-1, epsilon=EPSILON)

    def add_layer(self, hidden: str, layer: str) -> str:
        """Attention and feed-forward, each with its residual and norm."""
        attention = layer + "attention.self."
        names = [attention + name for name in ("query", "key", "value")]
        weight = np.concatenate([self._read(name + ".weight") for name in names]).T
        bias = np.concatenate([self._read(name + ".bias") for name in names])
        attended = self._attend(hidden, attention, weight, self._weight(attention + "bias", bias))
        projected = self._add_dense(attended, hidden, layer + "attention.output.")
        wide = self._multiply(projected, layer + "intermediate.dense.weight")
        active = self._node("BiasGelu", [wide, self._tensor(layer + "intermediate.dense.bias")], FUSED)
        return self._add_dense(active, projected, layer + "output.")

    def add_pooling(self, hidden: str) -> None:
        """The mean of the tokens that are not padding, at length 1: its divisor cancels, so it is a sum."""
        one = self._integers(1)
        mask = self._node("Cast", ["mask"], to=self._onnx.TensorProto.FLOAT)
        summed = self._node("MatMul", [self._node("Unsqueeze", [mask, one]), hidden])
        pooled = self._node("Squeeze", [summed, one])
        self._nodes.append(
            self._onnx.helper.make_node("LpNormalization", [pooled], ["vectors"], axis=-1, p=2)
        )

    def serialise(self) -> bytes:
        """The model as protobuf."""
        helper, proto = self._onnx.helper, self._onnx.TensorProto
        inputs = [helper.make_tensor_value_info(n, proto.INT32, ["texts", "tokens"]) for n in ("ids", "mask")]
        output = helper.make_tensor_value_info("vectors", proto.FLOAT, ["texts", HIDDEN])
        graph = helper.make_graph(self._nodes, "minilm", inputs, [output], self._constants)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(FUSED, 1)]
        serialised: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
        return serialised

    def _add_dense(self, value: str, residual: str, part: str) -> str:
        product = self._multiply(value, part + "dense.weight")
        tail = ("LayerNorm.weight", "LayerNorm.bias", "dense.bias")
        norm = [self._tensor(part + name) for name in tail]
        return self._node("SkipLayerNormalization", [product, residual, *norm], FUSED, epsilon=EPSILON)

    def _attend(self, hidden: str, name: str, weight: Array, bias: str) -> str:
        inputs = [hidden, self._weight(name + "weight", weight), bias, "mask"]
        return self._node("Attention", inputs, FUSED, num_heads=HEADS)

    def _multiply(self, value: str, name: str) -> str:
        """The product with the weight of this name, which is stored transposed."""
        return self._node("MatMul", [value, self._weight(name, self._read(name).T)])

    def _node(self, operator: str, inputs: list[str], domain: str = "", **attributes: Any) -> str:
        name = f"value{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(operator, inputs, [name], domain=domain, **attributes))
        return name

    def _tensor(self, name: str) -> str:
        return self._weight(name, self._read(name))

    def _weight(self, name: str, value: Array) -> str:
        """A weight as external data: its place is a name that the session resolves, not a file."""
        self.weights[name] = np.ascontiguousarray(value)
        tensor = self._onnx.TensorProto(name=name, dims=value.shape)
        tensor.data_type = self._onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
        tensor.data_location = self._onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="model.safetensors")
        self._constants.append(tensor)
        return name

    def _integers(self, value: int) -> str:
        return self._constant(np.array([value], np.int64))

    def _constant(self, value: Array) -> str:
        name = f"constant{len(self._constants)}"
        self._constants.append(self._onnx.numpy_helper.from_array(value, name))
        return name


class _IntegerBuilder(_Builder):
    """The same, with the products in int8."""

    def _attend(self, hidden: str, name: str, weight: Array, bias: str) -> str:
        joined = self._quantised_product(hidden, name + "weight", weight)
        parts = [f"{name}{part}" for part in ("q", "k", "v")]
        self._nodes.append(self._onnx.helper.make_node("Split", [joined], parts, axis=-1))
        return self._node("MultiHeadAttention", [*parts, bias, "mask"], FUSED, num_heads=HEADS)

    def _multiply(self, value: str, name: str) -> str:
        return self._quantised_product(value, name, self._read(name).T)

    def _quantised_product(self, value: str, name: str, weight: Array) -> str:
        """value @ weight, of which the columns and the rows of `value` are scaled to what integers hold."""
        scales = np.maximum(np.abs(weight).max(axis=0), np.float32(EPSILON)) / np.float32(MAX_WEIGHT)
        integers = self._weight(name, np.rint(weight / scales).astype(np.int8))
        unit = self._constant(np.array(1 / MAX_ACTIVATION, np.float32))
        zero = self._constant(np.array(ZERO, np.uint8))
        largest = self._node("ReduceMax", [self._node("Abs", [value])], axes=[-1], keepdims=1)
        largest = self._node("Max", [largest, self._constant(np.array(EPSILON, np.float32))])
        quantised = self._node("QuantizeLinear", [self._node("Div", [value, largest]), unit, zero])
        tail = [unit, self._weight(name + ".scales", scales), zero]
        product = self._node("MatMulIntegerToFloat", [quantised, integers, *tail], FUSED)
        return self._node("Mul", [product, largest])
