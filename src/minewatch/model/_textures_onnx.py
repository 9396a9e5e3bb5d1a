"""A dictionary of textures and its linear rule as an ONNX graph of convolutions."""

from typing import Any

import numpy as np

from minewatch.model._forest_onnx import finish_model, import_onnx
from minewatch.model._textures import SMALLEST_CONTRAST, STRIDE_PX, WEAKEST, Dictionary, Values
from minewatch.types import FloatArray


def write_textures(
    dictionary: Dictionary, size_px: int, weights: FloatArray, bias: float, scale: Values
) -> bytes:
    """Write the network: `pixels` is reflectance, NaN where nothing is known; `score` is P(mining).

    Parameters
    ----------
    dictionary
        The textures.
    size_px
        Side of the patches.
    weights, bias
        The linear rule on what `describe` gives.
    scale
        What each band is multiplied by first: (band, 1, 1).
    """
    onnx = import_onnx()
    n_bands, window = dictionary.filters.shape[1:3]
    ones = np.ones((1, n_bands, window, window), dtype=np.float32)
    n_windows = (size_px - window) // STRIDE_PX + 1
    edge = n_windows // 4
    constants = {
        "filters": dictionary.filters,
        "offset": dictionary.offset.reshape(1, -1, 1, 1),
        "ones": ones,
        "averaging": ones / ones.size,
        "floor": np.float32(SMALLEST_CONTRAST**2),
        "weakest": np.float32(WEAKEST),
        "nought": np.float32(0.0),
        "half": np.float32(0.5),
        "starts": np.array([edge, edge], dtype=np.int64),
        "ends": np.array([n_windows - edge, n_windows - edge], dtype=np.int64),
        "axes": np.array([2, 3], dtype=np.int64),
        "weights": weights[:, None].astype(np.float32),
        "bias": np.array([bias], dtype=np.float32),
    }
    is_scaled = bool((scale != 1).any())
    if is_scaled:
        constants["scale"] = scale
    pixels = onnx.helper.make_tensor_value_info(
        "pixels", onnx.TensorProto.FLOAT, ["site", n_bands, size_px, size_px]
    )
    tensors = [onnx.numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    return finish_model([*_respond(is_scaled=is_scaled), *_pool(), *_decide()], [pixels], tensors)


def _respond(*, is_scaled: bool) -> list[Any]:
    """Compare every window with every texture; `known` is 1 where no pixel is missing."""
    make = import_onnx().helper.make_node
    strides = {"strides": [STRIDE_PX, STRIDE_PX]}
    source = "scaled" if is_scaled else "pixels"
    return [
        *([make("Mul", ["pixels", "scale"], ["scaled"])] if is_scaled else []),
        make("IsNaN", [source], ["is_missing"]),
        make("Where", ["is_missing", "nought", source], ["filled"]),
        make("Cast", ["is_missing"], ["missing"], to=import_onnx().TensorProto.FLOAT),
        make("Conv", ["missing", "ones"], ["n_missing"], **strides),
        make("Less", ["n_missing", "half"], ["is_known"]),
        make("Cast", ["is_known"], ["known"], to=import_onnx().TensorProto.FLOAT),
        make("Conv", ["filled", "averaging"], ["mean"], **strides),
        make("Mul", ["filled", "filled"], ["squares"]),
        make("Conv", ["squares", "averaging"], ["mean_square"], **strides),
        make("Mul", ["mean", "mean"], ["square_mean"]),
        make("Sub", ["mean_square", "square_mean"], ["signed_variance"]),
        make("Relu", ["signed_variance"], ["variance"]),
        make("Add", ["variance", "floor"], ["floored"]),
        make("Sqrt", ["floored"], ["contrast"]),
        make("Conv", ["filled", "filters"], ["raw"], **strides),
        make("Div", ["raw", "contrast"], ["even"]),
        make("Sub", ["even", "offset"], ["response"]),
        make("Neg", ["response"], ["opposite"]),
    ]


def _pool() -> list[Any]:
    """Take the root of the mean response over known windows, of either sign, all and middle."""
    make = import_onnx().helper.make_node
    nodes = [make("Slice", ["known", "starts", "ends", "axes"], ["known_middle"])]
    nodes += [
        make("ReduceSum", [known, "axes"], [f"n_{known}"], keepdims=0)
        for known in ("known", "known_middle")
    ]
    for sign in ("response", "opposite"):
        nodes += [
            make("Sub", [sign, "weakest"], [f"{sign}_above"]),
            make("Relu", [f"{sign}_above"], [f"{sign}_strong"]),
            make("Mul", [f"{sign}_strong", "known"], [f"{sign}_all"]),
            make("Slice", [f"{sign}_all", "starts", "ends", "axes"], [f"{sign}_middle"]),
        ]
        for part, count in (("all", "n_known"), ("middle", "n_known_middle")):
            name = f"{sign}_{part}"
            nodes += [
                make("ReduceSum", [name, "axes"], [f"{name}_sum"], keepdims=0),
                make("Div", [f"{name}_sum", count], [f"{name}_mean"]),
                make("Sqrt", [f"{name}_mean"], [f"{name}_root"]),
            ]
    return nodes


def _decide() -> list[Any]:
    make = import_onnx().helper.make_node
    roots = [
        f"{sign}_{part}_root" for sign in ("response", "opposite") for part in ("all", "middle")
    ]
    return [
        make("Concat", roots, ["description"], axis=1),
        make("Gemm", ["description", "weights", "bias"], ["sum"]),
        make("Sigmoid", ["sum"], ["score"]),
    ]
