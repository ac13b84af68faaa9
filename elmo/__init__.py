"""ELMo for Chinese on PaddlePaddle 3: preprocess, pretrain, encode, transfer.

`import elmo` is cheap: it sets threads (see `elmo.runtime`) and imports Paddle only when a name that needs it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elmo import runtime
from elmo.tagging.segmenter import LacSegmenter
from elmo.text import register_segmenter

preparation = runtime.prepare()
register_segmenter("lac", LacSegmenter)  # here, so that every process has it by its name
__version__ = "0.1.0"
__all__ = ["__version__", "load_pretrained", "preparation"]

if TYPE_CHECKING:
    from elmo.encoding.encoder import load_pretrained


def __getattr__(name: str) -> Any:
    if name == "load_pretrained":
        from elmo.encoding.encoder import load_pretrained

        return load_pretrained
    raise AttributeError(f"module 'elmo' has no attribute {name!r}")
