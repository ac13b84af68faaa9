"""ELMo for Chinese on PaddlePaddle 3: preprocess, pretrain, encode, transfer.

`import elmo` is cheap: it sets threads (see `elmo.runtime`) and imports Paddle only when a name that needs it is used.
"""

from __future__ import annotations

import importlib
import inspect
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from elmo import runtime
from elmo.system.project import data_folder
from elmo.system.types import PathLike
from elmo.tagging.segmenter import LacSegmenter
from elmo.text import register_segmenter

if TYPE_CHECKING:
    from elmo.encoding.bert import Bert
    from elmo.encoding.encoder import Encoder, load_pretrained
    from elmo.tagging.baidu import Lac
    from elmo.tagging.tagger import Tagger
    from elmo.word_vectors import WordVectors

preparation = runtime.prepare()
register_segmenter("lac", LacSegmenter)  # here, so that every process has it by its name
__version__ = "0.1.0"
__all__ = [
    "Bert",
    "Encoder",
    "Lac",
    "Tagger",
    "WordVectors",
    "__version__",
    "data_folder",
    "from_pretrained",
    "load_pretrained",
    "preparation",
]

_LATE = {  # where names are that need Paddle, or much else
    "Bert": "elmo.encoding.bert",
    "Encoder": "elmo.encoding.encoder",
    "Lac": "elmo.tagging.baidu",
    "Tagger": "elmo.tagging.tagger",
    "WordVectors": "elmo.word_vectors",
    "load_pretrained": "elmo.encoding.encoder",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(f"module 'elmo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def from_pretrained(
    name_or_path: PathLike, *, device: str | None = None, **options: Any
) -> Encoder | Bert | WordVectors | Tagger | Lac:
    """Load a model of any kind, as an object of its class.

    Args:
        name_or_path: the name of a model that comes with the project; a directory or checkpoint of ours; weights of
            another system (see `elmo.convert`); Baidu's LAC, whose installed package is named "lac".
        device: "cpu", "gpu" or one card, for the whole process; see `elmo.runtime.use_device`. Word vectors have none.
        options: what `from_pretrained` of that class takes, such as `segmenter` for an ELMo.

    Raises:
        InputError: it is missing, damaged, or its parts do not belong together; an option is none of that class; there
            is no such device.
    """
    from elmo.convert import read_any
    from elmo.encoding.bert import Bert
    from elmo.encoding.encoder import Encoder
    from elmo.errors import InputError
    from elmo.tagging.baidu import Lac
    from elmo.tagging.baidu_files import lac_folder
    from elmo.tagging.files import find_tagger
    from elmo.tagging.tagger import Tagger
    from elmo.word_vectors import WordVectors

    runtime.use_device(device)
    opener: Any
    is_package = os.fspath(name_or_path) == "lac" and not os.path.exists(name_or_path)
    if is_package or lac_folder(name_or_path) is not None:
        opener, place = Lac.from_pretrained, None if is_package else name_or_path
    else:
        place = find_tagger(name_or_path) or name_or_path  # a tagger's training holds its model
        read = read_any(place, vocab_path=options.pop("vocab_path", None))
        classes: dict[str, Any] = {"bilm": Encoder, "masked_lm": Bert, "skipgram": WordVectors, "tagger": Tagger}
        opener = partial(classes[read.kind].from_files, read)
    known = set(inspect.signature(opener).parameters) - {"path", "place", "device"}
    if odd := sorted(options.keys() - known):
        raise InputError(f"{odd[0]!r} is no option of {name_or_path}: it takes {', '.join(sorted(known)) or 'none'}")
    model: Encoder | Bert | WordVectors | Tagger | Lac = opener(place, **options)
    return model
