"""The book's diagrams, drawn by code as SVG.

`{diagram} NAME` puts one into a page, and `python -m book.tools.diagrams FOLDER` writes all of them as files.
"""

from __future__ import annotations

from collections.abc import Callable

from book.tools.diagrams import labels, masking, recurrent, transfer, transformer, words
from book.tools.diagrams.kit import Drawing

DIAGRAMS: dict[str, Callable[[], Drawing]] = {
    "lstmp-cell": recurrent.lstmp_cell,
    "bilm": recurrent.bilm,
    "char-cnn": words.char_cnn,
    "sampled-softmax": words.sampled_softmax,
    "scalar-mix": transfer.scalar_mix,
    "transfer-steps": transfer.transfer_steps,
    "crf-lattice": labels.crf_lattice,
    "attention": transformer.attention,
    "transformer-block": transformer.transformer_block,
    "masks": masking.masks,
    "data-parallel": transfer.data_parallel,
}
