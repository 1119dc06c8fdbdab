"""The messages between the grader and a sandbox: plain values are sent unchanged, and nothing else is accepted."""

import json
import struct

import numpy as np
import pytest

from aelib.classroom import protocol


def through(value):
    """Return a value after it was packed and unpacked."""

    def refuse(item):
        raise protocol.ProtocolError(f"a {type(item).__name__}")

    return protocol.unpack(protocol.pack(value, refuse)[8:], lambda number: number)


@pytest.mark.parametrize(
    "value", [None, True, 3, -2.5, "a", [1, [2, "b"]], (1, (2.0,)), {"a": [1], "b": None}, [], {}, float("inf")]
)
def test_plain_values_are_sent_unchanged(value):
    assert through(value) == value and type(through(value)) is type(value)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "float32", "float64", ">f8"])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3, 4)])
def test_arrays_are_sent_unchanged(dtype, shape):
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    back = through([array, {"x": array}])[0]
    assert back.dtype == array.dtype and back.shape == array.shape and np.array_equal(back, array)
    assert back.flags.writeable


def test_a_view_is_sent_with_its_own_entries():
    array = np.arange(24.0).reshape(4, 6)
    assert np.array_equal(through(array[::2, ::-1].T), array[::2, ::-1].T)


@pytest.mark.parametrize("value", [object(), np.array(["a"]), np.array([object()]), {1: 2}, 1j, b"x", {1}, lambda: 0])
def test_nothing_else_is_sent(value):
    with pytest.raises(protocol.ProtocolError):
        through(value)


def test_an_instance_of_a_subclass_is_not_a_plain_value():
    class Liar(float):
        pass

    for value in (Liar(1), np.zeros(2).view(np.recarray)):
        with pytest.raises(protocol.ProtocolError, match=r"a (Liar|recarray)"):
            through(value)


def test_lists_that_are_too_deep_or_too_long_are_refused():
    deep = []
    for _ in range(100):
        deep = [deep]
    with pytest.raises(protocol.ProtocolError, match="deep"):
        through(deep)
    with pytest.raises(protocol.ProtocolError, match="too long"):
        through([0] * 2_000_000)


def message(document, *blobs):
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return struct.pack("<II", len(text), len(blobs)) + text + b"".join(struct.pack("<Q", len(b)) + b for b in blobs)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0" * 7,
        message(b"not json"),
        message(b"[" * 100_000),
        message([]),
        message({}),
        message({"v": [1]}),
        message({"v": 1, "l": []}),
        message({"x": 1}),
        message({"l": 3}),
        message({"d": []}),
        message({"h": ["x", "y"]}),
        message({"a": ["O", [1], 0]}, b"12345678"),
        message({"a": ["f8,f8", [1], 0]}, b"1" * 16),
        message({"a": ["f8", [2], 0]}, b"12345678"),
        message({"a": ["f8", [-1], 0]}, b"12345678"),
        message({"a": ["f8", [1], 3]}, b"12345678"),
        message({"a": ["f8", [2**62, 4], 0]}, b"12345678"),
        struct.pack("<II", 2**31, 0) + b"{}",
        struct.pack("<II", protocol.MAX_DOCUMENT_BYTES + 1, 0) + b" " * protocol.MAX_DOCUMENT_BYTES + b"1",
        struct.pack("<II", 2, 2**31) + b"{}",
    ],
)
def test_an_invalid_message_is_refused(body):
    with pytest.raises(protocol.ProtocolError):
        protocol.unpack(body, lambda number: number)
