"""What a model is, in a few lines: `elmo info`."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elmo.checks import config_of_file
from elmo.convert import read_any
from elmo.convert.hugging_face import is_hugging_face
from elmo.convert.safety import check_named_vocabulary
from elmo.errors import InputError
from elmo.models import WEIGHTS_FILE, check_vocabulary, find_model, load_vocabulary, read_header, read_shapes
from elmo.system.terminal import printable
from elmo.system.types import PathLike
from elmo.text.vocabulary import Vocabulary

_PARTS = {  # beginnings of parameters' names, in the order in which they are told
    "embedding_para": "word embedding",
    "token_encoder": "token encoder",
    "forward_layers": "forward LSTMP layers",
    "backward_layers": "backward LSTMP layers",
    "softmax": "softmax",
    "encoder.token_embedding": "token embedding",
    "encoder.blocks": "Transformer blocks",
    "encoder.": "other embeddings",
    "head.": "prediction head",
    "pooler.": "pooler",
}
_SYSTEMS = {  # what the systems' own repositories say of themselves
    "LARK": "the system and its releases are Apache-2.0",
    "AllenNLP / bilm-tf": "the system is Apache-2.0",
    "ELMoForManyLangs": "the system is MIT",
}


@dataclass(frozen=True)
class ModelInfo:
    """What `describe_model` found out."""

    name: str
    place: PathLike  # where it lies
    kind: str  # "bilm", "skipgram", ...
    source: str  # the system that made the weights
    config: dict[str, Any]
    vocabulary_size: int
    vocabulary_fingerprint: str
    parameters: dict[str, int]  # numbers of each part
    dtypes: tuple[str, ...]
    licence: str
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def num_parameters(self) -> int:
        """Numbers that were learnt."""
        return sum(self.parameters.values())


def describe_model(source: PathLike, *, vocab_path: PathLike | None = None) -> ModelInfo:
    """Say what a model of ours (from its header alone) or of another system (after reading and checking it) is.

    Raises:
        InputError: as `elmo.convert.read_any`.
    """
    if not os.path.isfile(source):
        directory = find_model(source)
        if (directory / WEIGHTS_FILE).exists() and not is_hugging_face(directory):
            return _describe_ours(directory, vocab_path)
    files = read_any(source, vocab_path=vocab_path)
    shapes = {name: tuple(array.shape) for name, array in files.arrays.items()}
    dtypes = {str(array.dtype) for array in files.arrays.values()}
    return _info(source, files.kind, files.config, files.vocabulary, shapes, dtypes, files.provenance)


_NUMBERS = {"F16": "float16", "F32": "float32", "F64": "float64", "I8": "int8"}


def _describe_ours(directory: Path, vocab_path: PathLike | None) -> ModelInfo:
    metadata = read_header(directory)
    found = read_shapes(directory, metadata)
    shapes = {name: shape for name, (shape, _) in found.items()}
    dtypes = {_NUMBERS.get(number, number) for _, number in found.values()}
    vocabulary = load_vocabulary(directory, metadata["kind"])
    check_vocabulary(vocabulary, metadata["vocabulary_sha256"], directory)
    check_named_vocabulary(directory, vocab_path, lambda: vocabulary, type(vocabulary).load)
    config, provenance = json.loads(metadata["config"]), json.loads(metadata.get("provenance", "{}"))
    return _info(directory, metadata["kind"], config, vocabulary, shapes, dtypes, provenance)


def _info(
    source: PathLike,
    kind: str,
    config: dict[str, Any],
    vocabulary: Vocabulary,
    shapes: dict[str, tuple[int, ...]],
    dtypes: set[str],
    provenance: dict[str, Any],
) -> ModelInfo:
    _check_configuration(kind, config, vocabulary, source)
    parameters: dict[str, int] = {}
    for name, shape in shapes.items():
        part = next((told for begin, told in _PARTS.items() if name.startswith(begin)), name)
        parameters[part] = parameters.get(part, 0) + math.prod(shape)
    order = [*_PARTS.values(), *parameters]
    return ModelInfo(
        name=Path(source).name,
        place=source,
        kind=kind,
        source=str(provenance.get("source", "this package")),
        config=config,
        vocabulary_size=len(vocabulary),
        vocabulary_fingerprint=vocabulary.fingerprint,
        parameters={part: parameters[part] for part in dict.fromkeys(order) if part in parameters},
        dtypes=tuple(sorted(dtypes)),
        licence=_licence(provenance),
        provenance=provenance,
    )


def _check_configuration(kind: str, config: dict[str, Any], vocabulary: Vocabulary, source: PathLike) -> None:
    """InputError where loading would refuse it; the classes are imported here, since two of them bring Paddle."""
    match kind:
        case "bilm":
            from elmo.bilm_config import BiLMConfig as Config
        case "masked_lm":
            from elmo.masked_lm import MaskedLMConfig as Config  # type: ignore[assignment]
        case "skipgram":
            from elmo.word_vectors import SkipGramConfig as Config  # type: ignore[assignment]
        case "tagger":
            from elmo.tagging.network import TaggerConfig as Config  # type: ignore[assignment]
        case _:
            return
    config_of_file(Config, config, vocabulary, source)


def _licence(provenance: dict[str, Any]) -> str:
    stated = provenance.get("licence")
    if isinstance(stated, str) and not stated.startswith("not stated"):
        return stated
    known = _SYSTEMS.get(provenance.get("source", ""))
    return f"not stated in the files; {known}" if known else "not stated in the files"


def render(info: ModelInfo) -> str:
    """Return the lines that `elmo info` prints; InputError where what the header says of the model makes no sense."""
    try:
        return _render(info)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise InputError(
            f"{info.place}: what its header says of the model is damaged ({type(error).__name__}: {error}); copy or "
            "download it again"
        ) from None


def _render(info: ModelInfo) -> str:
    lines = [
        ("model", f"{info.name}, {info.kind}"),
        ("source", info.source + _came_from(info)),
        *_sizes(info),
        ("vocabulary", f"{info.vocabulary_size:,} tokens, fingerprint {info.vocabulary_fingerprint[:12]}"),
        ("parameters", f"{info.num_parameters:,} ({', '.join(info.dtypes)})"),
        *((f"  {part}", f"{count:,}") for part, count in info.parameters.items()),
        ("training", _training(info)),
        ("licence", info.licence),
        *(("note", str(note)) for note in _notes(info)),
    ]
    width = max(24, 2 + max(len(name) for name, value in lines if value))
    return "\n".join(printable(f"{name:<{width}}{value}") for name, value in lines if value)


def _came_from(info: ModelInfo) -> str:
    origin = info.provenance.get("converted_from")
    return f" (converted from {origin})" if origin else ""


def _sizes(info: ModelInfo) -> list[tuple[str, str]]:
    config = info.config
    if info.kind != "bilm":
        sizes = ", ".join(f"{name} {value}" for name, value in sorted(config.items()) if isinstance(value, int | float))
        return [("sizes", sizes)]
    clips = f"clips: cell {config.get('cell_clip')}, projection {config.get('proj_clip')}"
    skips = "with" if config.get("use_skip_connections", True) else "without"
    rows = [
        (
            "layers",
            f"word vectors, then {config['num_layers']} LSTMP layers in each direction, "
            f"of {config['hidden_size']} cells projected to {config['embed_size']}; {clips}; {skips} skip connections",
        ),
        ("vectors", f"{config['num_layers'] + 1} layers of {2 * config['embed_size']} numbers a word"),
    ]
    characters = config.get("token_encoder")
    if characters:
        alphabet = characters["alphabet"]
        symbols = "UTF-8 bytes" if isinstance(alphabet, str) else f"{len(alphabet):,} characters"
        filters = ", ".join(f"{count} of width {width}" for width, count in characters["filters"])
        told = [f"{characters['word_embed_size']} numbers of the word's own"] if characters["word_embed_size"] else []
        if filters:
            told.append(f"{symbols}, at most {characters['max_characters']} a word; filters {filters}")
        rows.append(("token encoder", "; ".join(told)))
    if not config.get("softmax", True):
        rows.append(("softmax", "absent: no perplexity; pretraining goes on with a new one"))
    return rows


def _training(info: ModelInfo) -> str:
    runs = info.provenance.get("runs") or []
    tokens = sum(run.get("tokens_read", 0) for run in runs)
    history = [record for run in runs for record in run.get("history", [])]
    perplexity = next((record["perplexity"] for record in reversed(history) if "perplexity" in record), None)
    told = [f"{tokens:,} tokens read in {len(runs)} run(s)"] if runs else []
    if perplexity is not None:
        told.append(f"held-out perplexity {perplexity:.2f}")
    return ", ".join(told)


def _notes(info: ModelInfo) -> list[Any]:
    notes = info.provenance.get("notes", [])
    single = info.provenance.get("note")
    return [*(notes if isinstance(notes, list) else [notes]), *([single] if single else [])]
