"""Which ONNX operators TensorRT's parser imports, by generation.

From the support matrix of the parser itself (github.com/onnx/onnx-tensorrt, docs/operators.md, as
of 8.5 and 10.15) and the dates in its docs/Changelog.md. A generation stands for the oldest release
of it that is supported: 8 for 8.6, 10 for 10.3, which JetPack 6 has. What came later is absent.
"""

from __future__ import annotations

from dataclasses import dataclass

_NAMES_8_5 = """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast
    Ceil Celu Clip Concat Constant ConstantOfShape Conv ConvTranspose Cos Cosh CumSum DepthToSpace
    DequantizeLinear Div Dropout Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather
    GatherElements GatherND Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual
    GridSample HardSigmoid HardSwish Identity If ImageScaler InstanceNormalization IsNaN LRN LSTM
    LeakyRelu Less LessOrEqual Log LogSoftmax Loop LpNormalization LpPool MatMul Max MaxPool Mean
    MeanVarianceNormalization Min Mod Mul Neg NonMaxSuppression NonZero Not OneHot Or PRelu Pad
    ParametricSoftplus Pow QuantizeLinear RNN RandomNormal RandomNormalLike RandomUniform
    RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
    ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence
    RoiAlign Round ScaledTanh Scan Scatter ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign
    Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh
    ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze Upsample Where Xor
"""
_SINCE_8_5 = frozenset(_NAMES_8_5.split())
_SINCE_8_6 = _SINCE_8_5 | {"GroupNormalization", "IsInf", "LayerNormalization"}
_SINCE_10_3 = _SINCE_8_6 | {"CastLike", "DeformConv", "Gelu", "Hardmax", "Mish"}


@dataclass(frozen=True, slots=True)
class Generation:
    """What one generation of TensorRT's parser takes.

    opsets: the first and the last. stored_int8: whether weights may be INT8 in the file.
    """

    name: str
    operators: frozenset[str]
    opsets: tuple[int, int]
    stored_int8: bool


GENERATIONS = {
    8: Generation("TensorRT 8.6", _SINCE_8_6, (9, 17), stored_int8=False),
    10: Generation("TensorRT 10.3", _SINCE_10_3, (9, 20), stored_int8=True),
}
