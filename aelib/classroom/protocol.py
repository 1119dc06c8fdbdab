"""Encode plain values as bytes and decode them: the messages between the grader and a sandbox.

A message is a JSON document, which refers to arrays by their position among the blobs that follow it. Decoding executes
no code.
"""

import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

MAX_MESSAGE_BYTES = 256 * 2**20
MAX_DOCUMENT_BYTES = 8 * 2**20  # parsing can turn each byte of JSON into a hundred bytes of objects
MAX_DEPTH = 40
ARRAY_KINDS = "biuf"  # of dtypes: bool, signed integer, unsigned integer, float


class ProtocolError(ValueError):
    """A message that cannot be decoded, or a value that cannot be sent."""


def pack(value: object, refer: Callable[[object], int | np.ndarray]) -> bytes:
    """Return the message that carries a value: the length of its body (8 bytes), then the body.

    Plain values are None, bool, int, float, str, NumPy arrays and scalars, and lists, tuples and dicts of such values.
    For any other object `refer` returns a number that stands for it, or an array to send in its place.

    Raises ProtocolError if the value is too large or nested too deeply.
    """
    blobs: list[bytes] = []
    document = json.dumps(_encode(value, refer, blobs, 0)).encode()
    if len(document) > MAX_DOCUMENT_BYTES:
        raise ProtocolError("the lists in the value are too long to be sent; use arrays")
    parts = [struct.pack("<II", len(document), len(blobs)), document]
    for blob in blobs:
        parts += [struct.pack("<Q", len(blob)), blob]
    body = b"".join(parts)
    if len(body) > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"the value takes {len(body):,} bytes, at most {MAX_MESSAGE_BYTES:,} can be sent")
    return struct.pack("<Q", len(body)) + body


def unpack(body: bytes, resolve: Callable[[int], object]) -> Any:
    """Return the value in the body of a message, where `resolve` returns the object for a number given by `refer`.

    Raises ProtocolError for any body that `pack` cannot have made; the content is not trusted.
    """
    try:
        document_bytes, count = struct.unpack_from("<II", body)
        if document_bytes > MAX_DOCUMENT_BYTES:
            raise ValueError
        offset = 8 + document_bytes
        document = json.loads(body[8:offset])
        blobs = []
        for _ in range(count):
            (length,) = struct.unpack_from("<Q", body, offset)
            blobs.append(body[offset + 8 : offset + 8 + length])
            offset += 8 + length
        return _decode(document, blobs, resolve)
    except Exception as error:  # a forged message may raise any
        raise ProtocolError(f"not a message: {type(error).__name__}") from None


def _encode(value, refer, blobs, depth):
    if depth > MAX_DEPTH:
        raise ProtocolError(f"the value is nested more than {MAX_DEPTH} levels deep")
    kind = type(value)  # exactly: an instance of a subclass can behave in any way
    if value is None or kind in (bool, int, float, str):
        return {"v": value if kind is not int or abs(value) < 2**63 else str(value)}
    if kind in (list, tuple):
        return {kind.__name__[0]: [_encode(item, refer, blobs, depth + 1) for item in value]}
    if kind is dict and all(type(key) is str for key in value):
        return {"d": {key: _encode(item, refer, blobs, depth + 1) for key, item in value.items()}}
    if not (kind is np.ndarray or isinstance(value, np.generic)) or value.dtype.kind not in ARRAY_KINDS:
        value = refer(value)
        if not isinstance(value, np.ndarray):
            return {"h": value}
    blobs.append(np.ascontiguousarray(value).tobytes())
    return {"a": [value.dtype.str, list(value.shape), len(blobs) - 1]}


def _decode(document, blobs, resolve):
    ((kind, content),) = document.items()
    if kind == "v" and (content is None or type(content) in (bool, int, float, str)):
        return content
    if kind in ("l", "t"):
        return (list if kind == "l" else tuple)(_decode(item, blobs, resolve) for item in content)
    if kind == "d":
        return {str(key): _decode(item, blobs, resolve) for key, item in content.items()}
    if kind == "a":
        dtype, shape, index = np.dtype(str(content[0])), tuple(map(int, content[1])), content[2]
        if dtype.kind in ARRAY_KINDS and min(shape, default=0) >= 0:
            return np.frombuffer(blobs[index], dtype).reshape(shape).copy()
    if kind == "h":
        return resolve(int(content))
    raise ValueError
