"""A dictionary of textures and its linear rule as an ONNX graph of convolutions."""

from typing import Any, Final

import numpy as np

from minewatch.model._forest_onnx import finish_model, import_onnx
from minewatch.model._textures import SMALLEST_CONTRAST, STRIDE_PX, WEAKEST, Dictionary, Values
from minewatch.types import FloatArray

_STRIDES: Final = {"strides": [STRIDE_PX, STRIDE_PX]}
"""From one window to the next."""


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
    n_windows = (size_px - window) // STRIDE_PX + 1
    edge = n_windows // 4
    constants = {
        **_comparing(dictionary),
        "weakest": np.float32(WEAKEST),
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
    nodes = [*_fill(is_scaled=is_scaled), *_centre(), *_contrast(), *_respond()]
    return finish_model([*nodes, *_pool(), *_decide()], [pixels], tensors)


def _comparing(dictionary: Dictionary) -> dict[str, Any]:
    """Give what windows are centred and compared with textures by.

    Of a bright window that is almost flat, neither the mean square less the squared mean nor the
    sum of large products is known well in float32. So each band is taken less the first one, pixel
    by pixel, and the first one less its upper left pixel in the window: differences of numbers that
    are alike are exact, and textures add up to nought, so that they are all that counts.
    """
    filters = dictionary.filters
    n_bands, window = filters.shape[1:3]
    n_pixels = window * window
    places = np.eye(n_pixels, dtype=np.float32).reshape(n_pixels, 1, window, window)
    corner = places[:1]
    bands = np.eye(n_bands, dtype=np.float32)
    in_first = filters.astype(np.float64).sum(axis=1).reshape(-1, n_pixels, 1, 1)
    return {
        "filters": filters,
        "filters_in_first": in_first.astype(np.float32),
        "offset": dictionary.offset.reshape(1, -1, 1, 1),
        "first_band": bands[:1, :, None, None],
        "less_first_band": (bands - bands[0])[:, :, None, None],
        "all_bands": np.ones((1, n_bands, 1, 1), dtype=np.float32),
        "less_corner": places - corner,
        "twice": 2.0 * places,
        "each_place": np.ones((1, n_pixels, 1, 1), dtype=np.float32),
        "window": np.ones((1, 1, window, window), dtype=np.float32),
        "all_of_window": np.ones((1, n_bands, window, window), dtype=np.float32),
        "n_bands": np.float32(n_bands),
        "n_numbers": np.float32(n_bands * n_pixels),
        "floor": np.float32(SMALLEST_CONTRAST**2),
        "nought": np.float32(0.0),
        "half": np.float32(0.5),
    }


def _fill(*, is_scaled: bool) -> list[Any]:
    """Put noughts where nothing is known; `known` is 1 for windows without a missing pixel."""
    make, float_ = import_onnx().helper.make_node, import_onnx().TensorProto.FLOAT
    source = "scaled" if is_scaled else "pixels"
    return [
        *([make("Mul", ["pixels", "scale"], ["scaled"])] if is_scaled else []),
        make("IsNaN", [source], ["is_missing"]),
        make("Where", ["is_missing", "nought", source], ["filled"]),
        make("Cast", ["is_missing"], ["missing"], to=float_),
        make("Conv", ["missing", "all_of_window"], ["n_missing"], **_STRIDES),
        make("Less", ["n_missing", "half"], ["is_known"]),
        make("Cast", ["is_known"], ["known"], to=float_),
    ]


def _centre() -> list[Any]:
    """Split pixels into bands less the first one, and the first one less a window's corner."""
    make = import_onnx().helper.make_node
    return [
        make("Conv", ["filled", "less_first_band"], ["bands"]),
        make("Conv", ["filled", "first_band"], ["first"]),
        make("Conv", ["first", "less_corner"], ["steps"], **_STRIDES),
    ]


def _contrast() -> list[Any]:
    """Measure the standard deviation of windows: of `bands` plus `steps` at each place."""
    make = import_onnx().helper.make_node
    return [
        make("Conv", ["bands", "all_bands"], ["sum_of_bands"]),
        make("Conv", ["sum_of_bands", "window"], ["sum_by_bands"], **_STRIDES),
        make("Mul", ["steps", "n_bands"], ["steps_in_bands"]),
        make("Conv", ["steps_in_bands", "each_place"], ["sum_by_steps"]),
        make("Add", ["sum_by_bands", "sum_by_steps"], ["total"]),
        make("Div", ["total", "n_numbers"], ["mean"]),
        make("Mul", ["bands", "bands"], ["squares"]),
        make("Conv", ["squares", "all_of_window"], ["squares_by_bands"], **_STRIDES),
        make("Conv", ["sum_of_bands", "twice"], ["twice_bands"], **_STRIDES),
        make("Add", ["steps_in_bands", "twice_bands"], ["beside_steps"]),
        make("Mul", ["steps", "beside_steps"], ["products"]),
        make("Conv", ["products", "each_place"], ["squares_by_steps"]),
        make("Add", ["squares_by_bands", "squares_by_steps"], ["total_square"]),
        make("Div", ["total_square", "n_numbers"], ["mean_square"]),
        make("Mul", ["mean", "mean"], ["square_mean"]),
        make("Sub", ["mean_square", "square_mean"], ["signed_variance"]),
        make("Relu", ["signed_variance"], ["variance"]),
        make("Add", ["variance", "floor"], ["floored"]),
        make("Sqrt", ["floored"], ["contrast"]),
    ]


def _respond() -> list[Any]:
    """Compare every window with every texture."""
    make = import_onnx().helper.make_node
    return [
        make("Conv", ["bands", "filters"], ["by_bands"], **_STRIDES),
        make("Conv", ["steps", "filters_in_first"], ["by_steps"]),
        make("Add", ["by_bands", "by_steps"], ["raw"]),
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
