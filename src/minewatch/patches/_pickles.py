"""Open pickles from elsewhere without running anything that is in them.

A pickle is a program. Three doors stand before its execution:

1. a scan of its instructions, which admits only those that make numbers, text, lists, tuples and
   arrays, and checks every length they claim against the bytes that are there;
2. every name that it may ask for is answered by a stand-in written here, never by NumPy's or
   Python's own object, and any other name is refused;
3. the stand-ins hold plain bytes, whose claimed type and shape are checked before NumPy sees them.

A list in a pickle may hold itself, or one other list many times over, so that a few bytes unfold to
more than any memory. What was unpickled is therefore never printed, compared or hashed as a whole:
messages name its type, and `_Budget` counts what is made of it.
"""

import io
import pickle
import pickletools
import re
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, Final, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

from minewatch.errors import InputError, NotThereError, UnsafePickleError
from minewatch.types import AnyArray, StrPath

Plain: TypeAlias = (
    "bool | int | float | str | bytes | list[Plain] | tuple[Plain, ...] | AnyArray | None"
)
"""What can come out of a pickle that was let in."""

_CONTENT_OPCODES: Final = frozenset({
    "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4",
    "FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE",
    "BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
    "EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3",
})  # fmt: skip
_MACHINE_OPCODES: Final = frozenset({
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "PUT", "BINPUT", "LONG_BINPUT",
    "MEMOIZE", "GET", "BINGET", "LONG_BINGET", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD",
})  # fmt: skip
_ALLOWED_OPCODES: Final = _CONTENT_OPCODES | _MACHINE_OPCODES
_MEMO_OPCODES: Final = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_DTYPE_CODE: Final = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|[SU]\d{1,6}|O8?|[?bBhHiIlLqQefd])")
_DAMAGE: Final = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, LookupError,
    OverflowError, RecursionError,
)  # fmt: skip
"""What the unpickler raises when bytes make no sense."""
_MAX_DEPTH: Final = 16
_MAX_DIMENSIONS: Final = 8
_MAX_SIDE: Final = 1 << 48
"""No dimension of an array is longer; it keeps products of them small."""
_MAX_MESSAGE: Final = 200
_MAX_EXPANSION: Final = 16
"""An array of numbers may take this many times the bytes of its pickle, and no more: a number takes
at least one byte to write and at most 16 to hold."""
_SLACK_BYTES: Final = 1 << 20
_REFERENCE_BYTES: Final = 8


def load_pickle(path: StrPath) -> Plain:
    """Read arrays, lists, tuples, numbers and strings from a pickle, and nothing else.

    Pickles of all protocols, by Python 2 and 3 and NumPy 1 and 2, are read. Dictionaries, sets and
    objects of any class but NumPy's plain array, number and dtype are refused before anything runs.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Plain
        What the pickle holds. Arrays are read-only views of the file's bytes.

    Raises
    ------
    NotThereError
        If there is no such file.
    UnsafePickleError
        If it asks for anything else; the message names it.
    InputError
        If it is damaged, or not a pickle.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "labels.pkl")
    ...     size = file.write_bytes(pickle.dumps([0, 1, 1]))
    ...     labels = load_pickle(file)
    >>> labels
    [0, 1, 1]
    """
    file = Path(path)
    if not file.is_file():
        raise NotThereError(f"there is no file {file}")
    return loads_pickle(file.read_bytes(), name=str(file))


def loads_pickle(content: bytes, *, name: str = "the pickle") -> Plain:
    """Read a pickle that is in memory already; see `load_pickle`."""
    _scan(content, name)
    try:
        loaded = _Unpickler(content, name).load()
        return _resolve(loaded, _Budget(len(content), name))
    except (UnsafePickleError, InputError):
        raise
    except _DAMAGE as error:
        reason = str(error)[:_MAX_MESSAGE]
        raise InputError(f"{name} is damaged or not a pickle of arrays: {reason}") from error


def _scan(content: bytes, name: str) -> None:
    """Walk through the instructions without following them."""
    last_name = ""
    strings: list[str] = []
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if opcode.name == "GLOBAL" or opcode.name == "INST":
                last_name = str(argument).replace(" ", ".")
            elif opcode.name == "STACK_GLOBAL":
                last_name = ".".join(strings[-2:])
            elif isinstance(argument, str):
                strings = [*strings[-1:], argument]
            if opcode.name == "GLOBAL":
                _stand_in(last_name, name)
            if opcode.name not in _ALLOWED_OPCODES:
                about = f" on {last_name}" if last_name else ""
                _refuse(name, f"the instruction {opcode.name}{about}")
            if opcode.name in _MEMO_OPCODES and int(str(argument)) > count:
                # The unpickler would reserve memory for all the numbers below.
                _refuse(name, f"a memo place {argument}, more than it has instructions")
    except UnsafePickleError:
        raise
    except _DAMAGE as error:
        reason = str(error)[:_MAX_MESSAGE]
        raise InputError(f"{name} is damaged or not a pickle: {reason}") from error


def _refuse(name: str, what: str) -> NoReturn:
    raise UnsafePickleError(
        f"{name} asks for {what[:_MAX_MESSAGE]}; only NumPy arrays, lists, tuples, numbers and "
        "strings are read. Nothing in it was run. Save the pixels as .npy or .npz instead"
    )


class _DType:
    """Stand-in for numpy.dtype: a code, and a byte order once it is known."""

    __slots__ = ("code",)

    def __init__(self, code: str) -> None:
        self.code = code

    def __setstate__(self, state: object) -> None:
        """Take ``(version, byte order, subarray, names, fields, itemsize, alignment, flags)``."""
        if not isinstance(state, tuple) or len(state) != 8:
            raise InputError("a dtype has no state that NumPy would write")
        if not all(part is None for part in state[2:5]):
            raise InputError("a dtype has fields or a shape; expected a plain number")
        order = _as_text(state[1], "byte order")
        if order not in ("<", ">", "=", "|"):
            raise InputError(f"a dtype has the byte order {order[:8]!r}")
        if order in "<>":
            self.code = order + self.code.lstrip("<>=|")

    def dtype(self) -> np.dtype[Any]:
        """Give NumPy's dtype."""
        return np.dtype(self.code)


class _Array:
    """Stand-in for an array: its type, its shape and its bytes, checked against one another."""

    __slots__ = ("dtype", "fortran", "raw", "shape")

    def __init__(self) -> None:
        self.shape: tuple[int, ...] | None = None

    def __setstate__(self, state: object) -> None:
        """Take ``(version, shape, dtype, is in Fortran order, bytes)``."""
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise InputError("an array has no state that NumPy would write")
        self.fill(*state[-4:])

    def fill(self, shape: object, dtype: object, fortran: object, raw: object) -> None:
        """Check that the bytes are as many as type and shape ask for, and keep them."""
        raw = raw.text if isinstance(raw, _Bytes) else raw
        if not isinstance(dtype, _DType):
            raise InputError("an array has no dtype")
        if not isinstance(shape, tuple):
            raise InputError(f"an array has a {type(shape).__name__} as its shape")
        if len(shape) > _MAX_DIMENSIONS:
            raise InputError(
                f"an array has {len(shape)} dimensions; expected at most {_MAX_DIMENSIONS}"
            )
        if not all(type(n) is int and 0 <= n < _MAX_SIDE for n in shape):
            raise InputError("an array has a shape that is not made of lengths")
        kind = dtype.dtype()
        if kind.kind == "O":
            if type(raw) is not list or len(raw) != prod(shape):
                raise InputError(f"an array of objects of shape {shape} does not hold as many")
        elif (
            # Python 2 wrote bytes as text: it is encoded once it is known to fit into the budget.
            not isinstance(raw, bytes | bytearray | str) or len(raw) != prod(shape) * kind.itemsize
        ):
            raise InputError(
                f"an array claims shape {shape} and type {kind}, which its bytes do not fill"
            )
        self.shape, self.dtype, self.fortran, self.raw = shape, kind, fortran is True, raw

    def array(self) -> AnyArray:
        """Give NumPy's array; not for arrays of objects."""
        if self.shape is None or isinstance(self.raw, list):
            raise InputError("an array was announced and never filled")
        raw = self.raw.encode("latin-1") if isinstance(self.raw, str) else self.raw
        flat = np.frombuffer(raw, dtype=self.dtype) if raw else np.empty(0, self.dtype)
        return flat.reshape(self.shape, order="F" if self.fortran else "C")


_NDARRAY: Final = object()
"""Stand-in for numpy.ndarray itself, which pickles pass around and never call."""


def _make_dtype(code: object, *_flags: object) -> _DType:
    text = _as_text(code, "type")
    if not _DTYPE_CODE.fullmatch(text):
        raise InputError(f"an array has the type {text[:80]!r}; expected numbers or strings")
    return _DType("O" if text.startswith("O") else text)


def _make_array(kind: object, _shape: object, _code: object) -> _Array:
    if kind is not _NDARRAY:
        raise InputError("an array is to be made of something that is not numpy.ndarray")
    return _Array()


def _make_array_of_buffer(buffer: object, dtype: object, shape: object, order: object) -> _Array:
    array = _Array()
    array.fill(shape, dtype, order == "F", buffer)
    return array


def _make_scalar(dtype: object, raw: object = None) -> _Array:
    array = _Array()
    array.fill((), dtype, None, raw)
    return array


class _Bytes:
    """Stand-in for what protocols 0 to 2 write in place of bytes: a call that makes them of text.

    The text stays as it is until it is used, for many calls may name the same text.
    """

    __slots__ = ("text",)

    def __init__(self, text: object = "", encoding: object = "latin1") -> None:
        known = isinstance(encoding, str) and encoding in ("latin1", "latin-1")
        if not (isinstance(text, str) and known):
            raise InputError("bytes are written in a way that pickle itself would not write")
        self.text = text


def _make_bytes(text: object = "", encoding: object = "latin1") -> _Bytes:
    return _Bytes(text, encoding)


def _as_text(value: object, what: str) -> str:
    if isinstance(value, _Bytes):
        return value.text
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, str):
        return value
    raise InputError(f"an array has a {type(value).__name__} as its {what}; expected text")


_STAND_INS: Final[dict[str, Callable[..., object] | object]] = {
    "numpy.ndarray": _NDARRAY,
    "numpy.dtype": _make_dtype,
    "_codecs.encode": _make_bytes,
    "builtins.bytes": _make_bytes,
    "__builtin__.bytes": _make_bytes,
    **{
        f"numpy.{core}.{name}": stand_in
        for core in ("core", "_core")
        for name, stand_in in (
            ("multiarray._reconstruct", _make_array),
            ("multiarray.scalar", _make_scalar),
            ("numeric._frombuffer", _make_array_of_buffer),
        )
    },
}


def _stand_in(full_name: str, file: str) -> object:
    if full_name not in _STAND_INS:
        _refuse(file, full_name)
    return _STAND_INS[full_name]


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: bytes, name: str) -> None:
        # latin1 keeps the bytes of arrays that Python 2 wrote as text.
        super().__init__(io.BytesIO(content), encoding="latin1", fix_imports=False)
        self._name = name

    def find_class(self, module: str, name: str, /) -> Any:
        return _stand_in(f"{module}.{name}", self._name)

    def persistent_load(self, pid: object) -> NoReturn:
        _refuse(self._name, f"a persistent id, a {type(pid).__name__}")


class _Budget:
    """How much a pickle may grow to, so that references to references cannot fill the memory."""

    def __init__(self, n_bytes: int, name: str) -> None:
        self.left = n_bytes * _MAX_EXPANSION + _SLACK_BYTES
        self.name = name

    def spend(self, n_bytes: int) -> None:
        self.left -= n_bytes
        if self.left < 0:
            raise UnsafePickleError(
                f"{self.name} unfolds to far more than its own size, by repeating what it holds"
            )


def _resolve(value: object, budget: _Budget, depth: int = 0) -> Plain:
    """Turn stand-ins into arrays, throughout lists and tuples."""
    if depth > _MAX_DEPTH:
        raise InputError(f"{budget.name} nests lists deeper than {_MAX_DEPTH}")
    budget.spend(_REFERENCE_BYTES)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str | bytes | bytearray | _Bytes):
        return _resolve_text(value, budget)
    if isinstance(value, list):
        return [_resolve(item, budget, depth + 1) for item in value]
    if isinstance(value, tuple):
        return tuple(_resolve(item, budget, depth + 1) for item in value)
    if isinstance(value, _Array):
        return _resolve_array(value, budget, depth)
    raise InputError(f"{budget.name} holds a bare {type(value).__name__}; expected arrays")


def _resolve_text(value: str | bytes | bytearray | _Bytes, budget: _Budget) -> str | bytes:
    budget.spend(len(value.text if isinstance(value, _Bytes) else value))
    if isinstance(value, _Bytes):
        return value.text.encode("latin-1")
    return bytes(value) if isinstance(value, bytearray) else value


def _resolve_array(value: _Array, budget: _Budget, depth: int) -> Plain:
    if value.shape is None or value.dtype.kind != "O":
        budget.spend(0 if value.shape is None else prod(value.shape) * value.dtype.itemsize)
        array = value.array()
        return array[()] if array.ndim == 0 else array
    items: npt.NDArray[np.object_] = np.empty(len(value.raw), dtype=object)
    for position, item in enumerate(value.raw):
        items[position] = _resolve(item, budget, depth + 1)
    return items.reshape(value.shape, order="F" if value.fortran else "C")
