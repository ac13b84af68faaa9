"""Which cell of the forward reader knows whether it stands inside a quotation?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elmo.encoding.encoder import Encoder
from elmo.system.types import Arrays, Floats

QUOTATIONS = Path(__file__).with_name("quotations.txt")  # our own sentences, segmented, each with one quotation
_OPENS, _CLOSES = "“", "”"


def quotation_cell(encoder: Encoder, arrays: Arrays) -> dict[str, Any]:
    """The cell whose value goes most with "between quotation marks", over the sentences of `quotations.txt`.

    Returns:
        layer (from 1), unit (from 0), and the correlation, whose sign says which way the cell goes.
    """
    sentences = [line.split() for line in QUOTATIONS.read_text(encoding="utf-8").splitlines()]
    inside = np.concatenate([_inside(words) for words in sentences])
    by_sentence = [forward_cells(encoder, arrays, words) for words in sentences]
    correlations = np.stack([_correlate(np.concatenate(cells), inside) for cells in zip(*by_sentence, strict=True)])
    layer, unit = np.unravel_index(np.abs(correlations).argmax(), correlations.shape)
    return {"layer": int(layer) + 1, "unit": int(unit), "correlation": round(float(correlations[layer, unit]), 3)}


def forward_cells(encoder: Encoder, arrays: Arrays, words: Sequence[str]) -> list[Floats]:
    """Cells [1 + words, hidden] of every layer of the reader from the left; step 0 has read `<S>`."""
    config = encoder.model.config
    ids = [config.bos_id, *encoder.vocabulary.encode(list(words))]
    inputs: Floats = arrays["embedding"][ids].astype(np.float64)
    layers = []
    for layer in range(config.num_layers):
        outputs, cells = _read(inputs, arrays, f"forward.{layer}", config.cell_clip, config.proj_clip)
        inputs = outputs + inputs if layer > 0 and config.use_skip_connections else outputs
        layers.append(cells)
    return layers


def _read(
    inputs: Floats, arrays: Arrays, name: str, cell_clip: float | None, proj_clip: float | None
) -> tuple[Floats, Floats]:
    """Outputs [time, embed] and cells [time, hidden] of one layer; see `elmo.nn.lstmp.LSTMP` for the formulas."""
    projection = arrays[f"{name}.projection"]  # [embed, hidden]
    gate_inputs = inputs @ arrays[f"{name}.input"].T + arrays[f"{name}.bias"]
    hidden, cell = np.zeros(projection.shape[0]), np.zeros(projection.shape[1])
    outputs, cells = [], []
    for step in gate_inputs:
        candidate, in_gate, forget, out_gate = np.split(step + arrays[f"{name}.recurrent"] @ hidden, 4)
        cell = _clip(_sigmoid(forget) * cell + _sigmoid(in_gate) * np.tanh(candidate), cell_clip)
        hidden = _clip(projection @ (_sigmoid(out_gate) * np.tanh(cell)), proj_clip)
        outputs.append(hidden)
        cells.append(cell)
    return np.array(outputs), np.array(cells)


def _sigmoid(values: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * values)))


def _clip(values: Floats, limit: float | None) -> Floats:
    return values if limit is None else np.clip(values, -limit, limit)


def _inside(words: Sequence[str]) -> Floats:
    """1 for each step that has read an opening mark and not yet the closing one, else 0; [1 + words]."""
    marks = np.array([0] + [(word == _OPENS) - (word == _CLOSES) for word in words], dtype=np.float64)
    return np.asarray(marks.cumsum())


def _correlate(cells: Floats, inside: Floats) -> Floats:
    """Correlation of each cell [steps, hidden] with the marks [steps]; 0 for a cell that never moves."""
    moved, wanted = cells - cells.mean(axis=0), inside - inside.mean()
    lengths = np.sqrt((moved**2).sum(axis=0) * (wanted**2).sum())
    return np.asarray(wanted @ moved / np.where(lengths == 0, 1, lengths))
