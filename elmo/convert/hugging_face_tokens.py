"""The vocabulary of a model in Hugging Face's layout: vocab.txt, or tokenizer.json alone; and whether case is kept."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from elmo.convert.safety import check_named_vocabulary, inside, read_json
from elmo.errors import InputError
from elmo.system.types import PathLike
from elmo.text.pieces import PieceVocabulary

TOKENS_FILE, SETTINGS_FILE, TOKENIZER_FILE = "vocab.txt", "tokenizer_config.json", "tokenizer.json"
_MOST_UNNAMED = 0.01  # share of a model's rows that a list of tokens may lack: ERNIE 1.0 has 18,000, and names 17,964


def read_vocabulary(source: Path, vocab_path: PathLike | None, vocab_size: int) -> PieceVocabulary:
    """Read the tokens of a model; rows without one are named `[unused17964]` and so on, with a warning.

    Args:
        source: directory of the model.
        vocab_path: the vocabulary, where the directory holds none.
        vocab_size: rows of the model.

    Raises:
        InputError: there is none, it is damaged, or it has more tokens or many fewer than the model rows.
    """
    if vocab_path is None:
        path, tokens = _own_tokens(source)
    else:
        named = PieceVocabulary.load(vocab_path)
        path, tokens = Path(vocab_path), list(named.tokens)
        check_named_vocabulary(source, vocab_path, lambda: PieceVocabulary(_own_tokens(source)[1]), lambda _: named)
    unnamed = vocab_size - len(tokens)
    if not 0 <= unnamed <= _MOST_UNNAMED * vocab_size:
        raise InputError(f"{path}: has {len(tokens)} tokens, config.json says {vocab_size}; give the model's own")
    if unnamed:
        warnings.warn(
            f"{path}: names {len(tokens):,} of {vocab_size:,} tokens: the last {unnamed} are unused", stacklevel=2
        )
    return PieceVocabulary([*tokens, *(f"[unused{row}]" for row in range(len(tokens), vocab_size))], source=path)


def _own_tokens(source: Path) -> tuple[Path, list[str]]:
    if (source / TOKENS_FILE).exists():
        path = inside(source, TOKENS_FILE)
        return path, list(PieceVocabulary.load(path).tokens)
    if (source / TOKENIZER_FILE).exists():
        path = inside(source, TOKENIZER_FILE)
        return path, _tokens_of(path, read_json(path))
    raise InputError(f"{source}: {TOKENS_FILE} is missing; put the model's own there, or name it by --vocab_path")


def _tokens_of(path: Path, tokenizer: dict[str, Any]) -> list[str]:
    model = tokenizer.get("model")
    kind = model.get("type", "WordPiece") if isinstance(model, dict) else None
    ids = dict(model["vocab"]) if isinstance(model, dict) and isinstance(model.get("vocab"), dict) else None
    if kind != "WordPiece" or ids is None:
        raise InputError(
            f"{path}: its model is {str(kind)[:50]!r}, not WordPiece as BERT's; give the model's own {TOKENS_FILE}"
        )
    added = tokenizer.get("added_tokens") or []
    for token in added if isinstance(added, list) else []:
        if isinstance(token, dict) and isinstance(token.get("content"), str):
            ids.setdefault(token["content"], token.get("id"))
    if not all(type(number) is int for number in ids.values()) or sorted(ids.values()) != list(range(len(ids))):
        raise InputError(f"{path}: the ids of its tokens are not 0 to {len(ids) - 1}; download it again")
    return sorted(ids, key=ids.__getitem__)


def lower_case(source: Path) -> bool:
    """Whether text is read in lower case: what the tokenizer's settings say, or else the tokenizer itself."""
    if (source / SETTINGS_FILE).exists():
        settings, name, place = read_json(inside(source, SETTINGS_FILE)), "do_lower_case", SETTINGS_FILE
    elif (source / TOKENIZER_FILE).exists() and not (source / TOKENS_FILE).exists():
        normalizer = read_json(inside(source, TOKENIZER_FILE)).get("normalizer")
        settings, name, place = normalizer if isinstance(normalizer, dict) else {}, "lowercase", TOKENIZER_FILE
    else:
        return True  # as the public tokenizer
    value = settings.get(name, True)
    if type(value) is not bool:
        raise InputError(f"{source / place}: {name} is {value!r}; it is true or false")
    return value
