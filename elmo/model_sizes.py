"""What a model's configuration says, compared with what its file holds, before anything is built.

A file of a few kilobytes may claim 10^9 layers, or vectors of 2^40 numbers; building them would take all memory there
is. So layers are counted by the names of parameters, and no size may be larger than all that the file holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from elmo.errors import InputError
from elmo.system.types import Shape

Shapes = Mapping[str, Shape]

MAX_DIMENSIONS = 8  # of a parameter; NumPy itself ends at 64

_LAYERS = {  # of each kind: which field counts the layers, and how the parameters of a layer begin
    "bilm": ("num_layers", ("forward_layers", "backward_layers")),
    "masked_lm": ("num_layers", ("encoder.blocks",)),
    "tagger": ("num_layers", ("layers",)),
}
_SIZES = {  # which axis of which parameter is which size, where the parameter is there
    "bilm": {"hidden_size": ("forward_layers.0.projection_weight", 0), "embed_size": ("softmax_weight", 1)},
    "masked_lm": {
        "hidden_size": ("encoder.token_embedding", 1),
        "max_length": ("encoder.position_embedding", 0),
        "intermediate_size": ("encoder.blocks.0.intermediate.weight", 1),
    },
    "tagger": {"num_words": ("embedding.weight", 0), "embedding_size": ("embedding.weight", 1)},
    "skipgram": {"vector_size": ("vectors", 1)},
}
_ALWAYS = {  # a parameter that every model of a kind has
    "bilm": "forward_layers.0.projection_weight",
    "masked_lm": "encoder.token_embedding",
    "tagger": "embedding.weight",
    "skipgram": "vectors",
}
_CLASSES = {"bilm": "Encoder", "masked_lm": "Bert", "skipgram": "WordVectors", "tagger": "Tagger"}  # of `elmo`
_NO_SIZES = frozenset({"bos_id", "eos_id", "seed", "window", "negative", "min_count", "epochs", "batch_words"})


def wrong_kind(place: object, kind: str, wanted: str) -> InputError:
    """The error for a model of another kind than is wanted; says which class opens it."""
    opener = f": elmo.{_CLASSES[kind]}.from_pretrained opens it, or elmo.from_pretrained" if kind in _CLASSES else ""
    return InputError(f"{place}: holds a {kind} model where a {wanted} model is needed{opener}")


def check_known_kind(kind: str, place: object) -> None:
    """Refuse a model of a kind that this version does not know."""
    if kind not in _CLASSES:
        raise InputError(
            f"{place}: holds a model of kind {_short(kind)}, and {', '.join(_CLASSES)} are known: a later version may "
            "have written it; use that, or copy or download it again"
        )


def check_dimensions(shapes: Shapes, place: object) -> None:
    """Refuse a parameter of so many dimensions that no model has it."""
    for name, shape in shapes.items():
        if len(shape) > MAX_DIMENSIONS:
            raise InputError(
                f"{place}: {name!r} has {len(shape)} dimensions, which no model's parameter has; "
                "copy or download it again"
            )


def check_config(kind: str, config: Mapping[str, Any], shapes: Shapes, place: object) -> None:
    """Refuse a configuration that describes another or a far larger model than the file holds.

    Args:
        kind: of the model, such as "bilm"; of others only sizes are looked at.
        config: its fields, of any type.
        shapes: of all parameters, by name.
        place: is named in an error.

    Raises:
        InputError: names the field.
    """
    check_dimensions(shapes, place)
    if kind in _ALWAYS and _ALWAYS[kind] not in shapes:
        for other, name in _ALWAYS.items():
            if name in shapes:
                raise InputError(
                    f"{place}: its header says that it is a {kind} model, and its parameters are those of a {other}; "
                    "copy or download it again"
                )
    if kind in _LAYERS:
        field, beginnings = _LAYERS[kind]
        for beginning in beginnings:
            _check_count(config.get(field), field, beginning, shapes, place)
    most = sum(_count(shape) for shape in shapes.values())
    _check_sizes(config, most, place)
    if isinstance(encoder := config.get("token_encoder"), Mapping):
        _check_token_encoder(encoder, shapes, most, place)
    for field, (name, axis) in _SIZES.get(kind, {}).items():
        shape = shapes.get(name)
        if shape is not None and field in config and (len(shape) <= axis or shape[axis] != config[field]):
            raise InputError(
                f"{place}: its configuration says {field} {_short(config[field])}, {name} has shape {list(shape)}; "
                "copy or download it again"
            )


def _check_count(claimed: Any, field: str, beginning: str, shapes: Shapes, place: object) -> None:
    """Compare a number of layers with the numbers in the parameters' names."""
    if claimed is None:
        return
    pattern = re.compile(re.escape(beginning) + r"\.([0-9]{1,9})\.")
    found = len({match[1] for name in shapes if (match := pattern.match(name))})
    if claimed != found and (found or not isinstance(claimed, int) or claimed > len(shapes)):
        raise InputError(
            f"{place}: its configuration says {field} {_short(claimed)}, the file holds {found} of {beginning}; "
            "copy or download it again"
        )


def _check_token_encoder(encoder: Mapping[str, Any], shapes: Shapes, most: int, place: object) -> None:
    """What `elmo.nn.char_cnn` would build, in the same way."""
    _check_count(encoder.get("num_highway"), "num_highway", "token_encoder.highways", shapes, place)
    _check_sizes(encoder, max(most, 1000), place)
    filters = encoder.get("filters")
    if isinstance(filters, list | tuple):
        if len(filters) > len(shapes):
            raise InputError(
                f"{place}: its configuration has {len(filters):,} filters, more than the file holds; "
                "copy or download it again"
            )
        for pair in filters:
            if isinstance(pair, list | tuple):
                _check_sizes({"filters": max((n for n in pair if isinstance(n, int)), default=0)}, most, place)


def _check_sizes(config: Mapping[str, Any], most: int, place: object) -> None:
    for name, value in config.items():
        if name not in _NO_SIZES and isinstance(value, int) and value > most:
            raise InputError(
                f"{place}: its configuration says {name} {_short(value)}, and all its parameters together have "
                f"{most:,} numbers; copy or download it again"
            )


def _count(shape: Shape) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _short(value: Any) -> str:
    if isinstance(value, int) and value.bit_length() > 128:
        return f"above 2^{value.bit_length() - 1}"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
