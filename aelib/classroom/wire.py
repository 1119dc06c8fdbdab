"""Plain values in, bytes out, and back: what a grader and a sandbox say to each other. Nothing in it is code.

A message is a JSON document, in which arrays stand as numbers of the blobs that follow it.
"""

import json
import struct

import numpy as np

LIMIT = 256 * 2**20  # bytes of a message
DOCUMENT = 8 * 2**20  # bytes of its JSON, of which each can become a hundred when it is read
KINDS = "biuf"  # of arrays: bool, int, unsigned, float
DEPTH = 40
_BROKEN = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    struct.error,
    RecursionError,
    MemoryError,
)


class WireError(ValueError):
    """A message that is not one, or a value that cannot be sent."""


class Handle:
    """Stands for an object that stays on the other side."""

    def __init__(self, number, kind=""):
        self.number, self.kind = number, kind


def pack(value, refer):
    """The bytes of a message. refer: object -> Handle, for what is not plain; it may raise WireError."""
    blobs = []
    document = json.dumps(_plain(value, refer, blobs, 0)).encode()
    if len(document) > DOCUMENT:
        raise WireError("a list too long to be sent; an array could be")
    parts = [struct.pack("<II", len(document), len(blobs)), document]
    for blob in blobs:
        parts += [struct.pack("<Q", len(blob)), blob]
    body = b"".join(parts)
    if len(body) > LIMIT:
        raise WireError(f"the value takes {len(body):,} bytes, at most {LIMIT:,} can be sent")
    return struct.pack("<Q", len(body)) + body


def unpack(body, resolve):
    """The value of a message's body. resolve: Handle -> object. Raises WireError for whatever is not a message."""
    try:
        size, count = struct.unpack_from("<II", body)
        if size > DOCUMENT:
            raise ValueError
        place = 8 + size
        document = json.loads(body[8:place])
        blobs = []
        for _ in range(count):
            (length,) = struct.unpack_from("<Q", body, place)
            blobs.append(body[place + 8 : place + 8 + length])
            place += 8 + length
        return _value(document, blobs, resolve)
    except _BROKEN as error:
        raise WireError(f"not a message: {type(error).__name__}") from None


def _plain(value, refer, blobs, depth):
    if depth > DEPTH:
        raise WireError(f"a value nested more than {DEPTH} deep")
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return {"v": value if kind is not int or abs(value) < 2**63 else str(value)}
    if kind in (list, tuple):
        return {kind.__name__[0]: [_plain(one, refer, blobs, depth + 1) for one in value]}
    if kind is dict and all(type(key) is str for key in value):
        return {"d": {key: _plain(one, refer, blobs, depth + 1) for key, one in value.items()}}
    array = value if kind is np.ndarray else np.asarray(value) if isinstance(value, np.generic) else None
    if array is not None and array.dtype.kind in KINDS:
        array = np.ascontiguousarray(array)
        blobs.append(array.tobytes())
        return {"a": [array.dtype.str, list(np.shape(value)), len(blobs) - 1]}
    handle = value if kind is Handle else refer(value)
    return {"h": [handle.number, handle.kind]}


def _value(document, blobs, resolve):
    ((kind, content),) = document.items()
    if kind == "v":
        if content is not None and type(content) not in (bool, int, float, str):
            raise ValueError
        return content
    if kind in ("l", "t"):
        return (list if kind == "l" else tuple)(_value(one, blobs, resolve) for one in content)
    if kind == "d":
        return {str(key): _value(one, blobs, resolve) for key, one in content.items()}
    if kind == "a":
        dtype, shape, index = np.dtype(str(content[0])), tuple(map(int, content[1])), content[2]
        if dtype.kind not in KINDS or min(shape, default=0) < 0:
            raise ValueError
        return np.frombuffer(blobs[index], dtype).reshape(shape).copy()
    if kind == "h":
        return resolve(Handle(int(content[0]), str(content[1])[:80]))
    raise ValueError
