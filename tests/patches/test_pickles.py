import builtins
import contextlib
import io
import os
import pickle
import random
import struct

import numpy as np
import pytest

from minewatch.errors import InputError, NotThereError, UnsafePickleError
from minewatch.patches import _legacy
from minewatch.patches._pickles import load_pickle, loads_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

# What is let in -----------------------------------------------------------------------------------

ARRAY = np.arange(24, dtype="int16").reshape(2, 3, 4)
ARRAYS = {
    "integers": ARRAY,
    "Fortran order": np.asfortranarray(ARRAY),
    "a view": ARRAY[:, ::2],
    "big-endian floats": ARRAY.astype(">f4"),
    "booleans": ARRAY > 5,
    "no element": np.zeros((0, 4), "f8"),
    "no dimension": np.array(3.5),
    "text": np.array(["a", "yé"]),
    "read-only": np.frombuffer(b"abcd", "u1"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_come_back_as_numpy_wrote_them(name):
    array = ARRAYS[name]
    for protocol in PROTOCOLS:
        loaded = loads_pickle(pickle.dumps(array, protocol=protocol))
        assert np.asarray(loaded).dtype == array.dtype
        np.testing.assert_array_equal(loaded, array, strict=array.ndim > 0)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_lists_tuples_numbers_and_strings_come_back(protocol):
    content = [1, -2.5, "a", "é", b"b", b"", None, True, (1, (2,)), [], 2**80]
    assert loads_pickle(pickle.dumps(content, protocol=protocol)) == content


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_inside_lists_and_object_arrays_come_back(protocol):
    ragged = np.empty(2, dtype=object)
    ragged[:] = [ARRAY, [ARRAY[0], np.float32(2.5)]]
    loaded = loads_pickle(pickle.dumps([ragged, np.int64(7)], protocol=protocol))
    np.testing.assert_array_equal(loaded[0][0], ARRAY)
    np.testing.assert_array_equal(loaded[0][1][0], ARRAY[0])
    assert loaded[0][1][1] == 2.5
    assert loaded[1] == 7


def test_a_pickle_written_by_python_2_and_numpy_1_is_read():
    content = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b"
        b"\x87Rq\x03(K\x01K\x02\x85cnumpy\ndtype\nq\x04U\x02i2K\x00K\x01\x87Rq\x05(K\x03U\x01<NNNJ"
        b"\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x04\x01\x00\xe8\x03tb."
    )
    np.testing.assert_array_equal(loads_pickle(content), np.array([1, 1000], dtype="int16"))


# What is refused ----------------------------------------------------------------------------------


class _Calls:
    """Pickles to a call of a function with arguments."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class _New:
    """Pickles to the making of an object of its own class."""


def _canary_calls(canary):
    command = f"touch {canary}"
    code = f"__import__('os').system({command!r})"
    return {
        "os.system": _Calls(os.system, command),
        "eval": _Calls(builtins.eval, code),
        "exec": _Calls(builtins.exec, code),
        "getattr": _Calls(getattr, "text", "upper"),
        "numpy.load": _Calls(np.load, str(canary)),
        "numpy.testing": _Calls(np.testing.rundocs, str(canary)),
        "a new object": _New(),
        "a dictionary": {"a": 1},
        "a set": {1},
        "a class": _New,
        "a complex number": 1j,
        "bytearray by reduce": _Calls(bytearray, 10**9),
    }


@pytest.mark.parametrize("name", _canary_calls("x"))
@pytest.mark.parametrize("hidden", ["bare", "in a list", "in an array of objects", "in a tuple"])
def test_whatever_is_not_an_array_is_refused_and_not_run(tmp_path, name, hidden):
    canary = tmp_path / "canary"
    content = _canary_calls(canary)[name]
    array = np.empty(2, dtype=object)
    array[1] = content
    wrapped = {
        "bare": content,
        "in a list": [ARRAY, content],
        "in an array of objects": array,
        "in a tuple": (1, (content,)),
    }[hidden]
    for protocol in PROTOCOLS:
        with pytest.raises(UnsafePickleError):
            loads_pickle(pickle.dumps(wrapped, protocol=protocol))
    assert not canary.exists()


@pytest.mark.parametrize(
    ("instructions", "named"),
    [
        (b"cos\nsystem\n(S'touch canary'\ntR.", "os.system"),
        (b"(S'touch canary'\nios\nsystem\n.", "INST on os.system"),
        (b"(cos\nsystem\nS'touch canary'\no.", "os.system"),
        (b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x8c\x01x\x85R.", "os.system"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.", "numpy.ndarray.dumps"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0cf2py.os.path\x93.", "numpy.f2py.os.path"),
        (b"\x80\x04\x8c\x11numpy._core.multi\x8c\x03_x_\x93.", "numpy._core.multi._x_"),
        (b"cnumpy\nload\n(S'x'\ntR.", "numpy.load"),
        (b"cnumpy.core.multiarray\nfromfile\n.", "numpy.core.multiarray.fromfile"),
        (b"cnumpy.testing._private.utils\nrunstring\n.", "runstring"),
        (b"cbuiltins\neval\n.", "builtins.eval"),
        (b"c__builtin__\neval\n.", "__builtin__.eval"),
        (b"ccopyreg\n_reconstructor\n.", "copyreg._reconstructor"),
        (b"cnumpy\nmatrix\n.", "numpy.matrix"),
        (b"cnumpy\ndtype\n)\x81.", "NEWOBJ on numpy.dtype"),
        (b"\x80\x04cnumpy\ndtype\n)}\x92.", "EMPTY_DICT on numpy.dtype"),
        (b"\x82\x01.", "EXT1"),
        (b"\x83\x01\x00.", "EXT2"),
        (b"\x84\x01\x00\x00\x00.", "EXT4"),
        (b"Pos.system\n.", "PERSID"),
        (b"S'os.system'\nQ.", "BINPERSID"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"}.", "EMPTY_DICT"),
        (b"cnumpy\ndtype\n}S'__call__'\nS'x'\nsb.", "EMPTY_DICT"),
        (b"r\xff\xff\xff\x7f" + b".", "memo"),
        (b"Nr\xff\xff\xff\x7f.", "memo place 2147483647"),
    ],
)  # fmt: skip
def test_instructions_that_could_do_more_are_refused_by_name(instructions, named):
    with pytest.raises(UnsafePickleError, match="asks for") as caught:
        loads_pickle(instructions)
    assert named in str(caught.value)


def _dtype_state(*state):
    """Pickle an array whose dtype claims a state, by hand."""
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, protocol=2)
    pickler.dump(state)
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85S'b'\n\x87R(K\x01K\x01\x85"
        b"cnumpy\ndtype\nS'i2'\nI0\nI1\n\x87R" + stream.getvalue()[2:-1] + b"b\x89S'ab'\ntb."
    )


@pytest.mark.parametrize(
    "content",
    [
        _dtype_state(3, "<", None, ("a",), None, -1, -1, 0),
        _dtype_state(3, "<", ("i8", (9,)), None, None, -1, -1, 0),
        _dtype_state(4, "<", None, None, None, -1, -1, 0, ("metadata",)),
        _dtype_state(3, "<<", None, None, None, -1, -1, 0),
        _dtype_state(3),
        b"cnumpy\ndtype\nS'i2,O'\n\x85R.",
        b"cnumpy\ndtype\nS'V8'\n\x85R.",
        b"cnumpy\ndtype\nS'M8[s]'\n\x85R.",
        b"cnumpy\ndtype\n.",
        b"cnumpy\nndarray\n.",
        b"cnumpy\nndarray\nK\x02\x85R.",
        b"cnumpy.core.multiarray\n_reconstruct\nS'x'\nK\x00\x85S'b'\n\x87R.",
        b"c_codecs\nencode\nS'x'\nS'rot13'\n\x86R.",
        b"cnumpy.core.multiarray\nscalar\nK\x01\x85R.",
        b"cnumpy\ndtype\nS'i2'\n\x85RK\x01b.",
    ],
)
def test_types_and_callables_that_numpy_would_not_write_are_refused(content):
    with pytest.raises((InputError, UnsafePickleError)):
        loads_pickle(content)


def _claim(shape, raw):
    """Pickle an array of bytes that claims a shape."""
    honest = pickle.dumps(np.zeros(3, "u1"), protocol=2)
    good = b"K\x03\x85"
    assert honest.count(good) == 1
    claimed = honest.replace(good, pickle.dumps(shape, protocol=2)[2:-1].replace(b"q\x00", b""))
    return claimed if raw is None else claimed.replace(b"\x00\x00\x00", raw)


@pytest.mark.parametrize("shape", [(2**40,), (-3,), (-1, -3), (3, 2**62), (4,), (1,) * 40, "abc"])
def test_shapes_that_the_bytes_do_not_fill_are_refused(shape):
    with pytest.raises(InputError):
        loads_pickle(_claim(shape, None))


@pytest.mark.parametrize(
    "bomb",
    [
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"abc.",
        b"\x80\x05\x96" + struct.pack("<Q", 2**62) + b"abc.",
        b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.",
        b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"abc.",
        b"\x80\x02X\xff\xff\xff\xffabc.",
        b"I" + b"9" * 100_000 + b"\n.",
    ],
)
def test_lengths_beyond_the_file_are_damage_and_reserve_no_memory(bomb):
    with pytest.raises((InputError, UnsafePickleError)):
        loads_pickle(bomb)


def test_lists_of_lists_of_the_same_list_do_not_unfold():
    nested: list[object] = []
    for _ in range(12):
        nested = [nested] * 200
    with pytest.raises(UnsafePickleError, match="unfolds"):
        loads_pickle(pickle.dumps(nested))


def _nested_twice(levels: int) -> bytes:
    """Write the instructions for [x, x] where x is [y, y] and so on: small, but 2^levels long."""
    pickled = pickle.dumps(_twice(levels), protocol=2)
    return pickled[2:-1]


def _twice(levels):
    nested: list[object] = []
    for _ in range(levels):
        nested = [nested, nested]
    return nested


_MANY = _nested_twice(19)  # half a million parts, if anything walks through them
_I2 = b"cnumpy\ndtype\nS'i2'\nI0\nI1\n\x87R"
_NO_ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85S'b'\n\x87R"


@pytest.mark.parametrize(
    "content",
    [
        _I2 + _MANY + b"b.",
        _I2 + b"(K\x03" + _MANY + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb.",
        _I2 + b"(K\x03S'<'\n" + _MANY + b"NNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb.",
        b"cnumpy\ndtype\n" + _MANY + b"\x85R.",
        _NO_ARRAY + _MANY + b"b.",
        _NO_ARRAY + b"(K\x01" + _MANY + _I2 + b"\x89S'ab'\ntb.",
        _NO_ARRAY + b"(K\x01" + _MANY + b"\x85" + _I2 + b"\x89S'ab'\ntb.",
        _NO_ARRAY + b"(K\x01K\x01\x85" + _MANY + b"\x89S'ab'\ntb.",
        _NO_ARRAY + b"(K\x01K\x01\x85" + _I2 + b"\x89" + _MANY + b"tb.",
        b"c_codecs\nencode\n" + _MANY + b"S'latin1'\n\x86R.",
        b"c_codecs\nencode\nS'x'\n" + _MANY + b"\x86R.",
        b"cnumpy.core.multiarray\nscalar\n" + _MANY + b"\x85R.",
        _MANY + _MANY + b"b.",
        _MANY + b"\x85cnumpy\ndtype\nR.",
        b"S'text'\n" + _MANY + b"a.",
    ],
)  # fmt: skip
def test_lists_in_lists_where_text_or_numbers_belong_are_refused_unread(content):
    with pytest.raises((InputError, UnsafePickleError)) as caught:
        loads_pickle(content)
    assert "[" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_lists_in_lists_are_no_label(tmp_path):
    with pytest.raises(InputError, match="holds the label a list"):
        _legacy._label(_twice(10), "labels.pkl")


@pytest.mark.parametrize(
    "number",
    [pytest.param(2**100_000, id="endless"), 7, "x" * 1000, float("inf")],
)
def test_numbers_and_texts_that_are_no_label_are_named_briefly(number):
    with pytest.raises(InputError, match="holds the label") as caught:
        _legacy._label(number, "labels.pkl")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "made",
    [
        b"c_codecs\nencode\ng0\nS'latin1'\n\x86R",  # bytes of text, made anew by every call
        _NO_ARRAY + b"(K\x01J\x00\x00\x10\x00\x85cnumpy\ndtype\nS'u1'\nI0\nI1\n\x87R\x89g0\ntb",
    ],
)
def test_one_long_text_does_not_become_many_arrays_of_bytes(made):
    length = 1 << 20
    text = b"X" + struct.pack("<i", length) + b"a" * length + b"p0\n"
    with pytest.raises(UnsafePickleError, match="unfolds"):
        loads_pickle(b"(" + text + made * 100 + b"l.")


def test_one_long_text_does_not_become_many_copies():
    for content in ("a" * (1 << 20), bytearray(1 << 20)):
        with pytest.raises(UnsafePickleError, match="unfolds"):
            loads_pickle(pickle.dumps([content] * 100, protocol=5))


def test_patches_of_text_are_refused_before_they_are_stacked():
    with pytest.raises(InputError, match="something else than numbers"):
        _legacy._stacked([[["a" * 1000, ""]], [["", ""]]], "patches.pkl")


def test_one_array_repeated_a_million_times_does_not_unfold():
    patch = np.zeros(100_000, "u1")
    with pytest.raises(UnsafePickleError, match="unfolds"):
        loads_pickle(pickle.dumps([patch] * 100_000))


def test_a_list_that_holds_itself_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(InputError, match="nests"):
        loads_pickle(pickle.dumps(endless))


def test_bytes_changed_at_random_never_do_more_than_raise():
    honest = pickle.dumps([ARRAY, np.array([ARRAY, None], dtype=object), np.int64(3)], protocol=4)
    chance = random.Random(1)  # noqa: S311 - a reproducible disturbance, not a secret
    for _ in range(3000):
        changed = bytearray(honest)
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        with contextlib.suppress(InputError, UnsafePickleError):
            loads_pickle(bytes(changed))


@pytest.mark.parametrize("content", [b"", b"no pickle", b"\x80\x04", b"N", b"."])
def test_what_is_no_pickle_is_called_damaged(content, tmp_path):
    file = tmp_path / "file.pkl"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"file\.pkl is damaged or not a pickle"):
        load_pickle(file)


def test_a_pickle_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NotThereError, match="missing"):
        load_pickle(tmp_path / "missing.pkl")
