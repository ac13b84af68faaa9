"""Arrays as a page's script holds them: whole numbers with a factor for each row, in base64."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from elmo.system.types import Array

_INT8_MAX = 127


def pack_page(arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Header and bytes of arrays: matrices and higher as int8, vectors (one axis) as float32.

    A matrix is the float32 factors of its rows (its last axis is a row), then its whole numbers; each array begins at a
    multiple of four bytes, as JavaScript's typed arrays ask for. `static/weights.js` reads it.

    Args:
        arrays: by name.
        facts: what else the header says.
    """
    body = bytearray()
    entries = []
    for name, array in arrays.items():
        place = len(body)
        if array.ndim == 1:
            kind, shape = "float32", list(array.shape)
            body += np.ascontiguousarray(array, "<f4").tobytes()
        else:
            rows = array.reshape(-1, array.shape[-1])
            kind, shape = "int8", list(rows.shape)
            steps, scales = quantise(rows)
            body += scales.astype("<f4").tobytes() + steps.tobytes()
        body += bytes(-len(body) % 4)
        entries.append({"name": name, "shape": shape, "type": kind, "place": place})
    header = {**facts, "arrays": entries, "size": len(body), "checksum": zlib.adler32(body)}
    return header, bytes(body)


def quantise(rows: Array) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Whole numbers from -127 to 127 [rows, size], and the factor of each row [rows]."""
    scales = (np.abs(rows).max(axis=1) / _INT8_MAX).astype(np.float32)
    steps = np.rint(rows / np.where(scales == 0, 1, scales)[:, None])
    return steps.clip(-_INT8_MAX, _INT8_MAX).astype(np.int8), scales


def script(header: Mapping[str, Any], body: bytes) -> str:
    """The JavaScript that gives a page the model; ASCII, and safe inside a page's own `<script>`."""
    text = json.dumps(header, separators=(",", ":")).replace("<", "\\u003c")
    return f'var elmoModel={{"header":{text},\n"bytes":"{base64.b64encode(body).decode()}"}};\n'
