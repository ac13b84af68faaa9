"""BERT and ERNIE in the layout that Hugging Face's hub has: config.json, vocab.txt, model.safetensors and their kin.

Written for BertModel, BertForMaskedLM, BertForPreTraining, and ErnieModel with the same heads; of a fine-tuned model
the head of its task is left out. Linear weights are [outputs, inputs] there and [inputs, outputs] here; queries, keys
and values, three matrices there, are one here.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from elmo.convert.hugging_face_tokens import TOKENIZER_FILE, TOKENS_FILE, lower_case, read_vocabulary
from elmo.convert.hugging_face_weights import STORED, Parameters, find_weights, opened_parameters
from elmo.convert.safety import check_finite, check_memory, inside, read_json
from elmo.errors import InputError
from elmo.models import VOCABULARY_FILE, WEIGHTS_FILE, ModelFiles
from elmo.system.types import Array, PathLike, Shape

CONFIG_FILE = "config.json"
MODEL_TYPES = ("bert", "ernie")
_ELSEWHERE = ("tf_model.h5", "flax_model.msgpack", "bert_model.ckpt.index")
_LARGEST = 1 << 24  # of any size in a configuration
_PARTS = ("bert", "ernie", "embeddings", "encoder", "pooler", "cls")  # of names; what begins otherwise is a task's head
_TASKS = "embeddings.task_type_embeddings.weight"
_SIZES = {  # our name: theirs
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "intermediate_size": "intermediate_size",
    "max_length": "max_position_embeddings",
    "type_vocab_size": "type_vocab_size",
}
_SAME = {"gelu_pytorch_tanh": "gelu_new", "gelu_fast": "gelu_new"}  # one formula
ACTIVATIONS = ("gelu", "relu", "gelu_new")
_SHARES = {"dropout": "hidden_dropout_prob", "attention_dropout": "attention_probs_dropout_prob"}
_BLOCK = {  # of a block: our linear maps and norms by theirs
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_norm": "output.LayerNorm",
}
_QKV = tuple(f"attention.self.{name}" for name in ("query", "key", "value"))
_DECODER = ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias")  # copies of tied parameters
# Whether one sentence follows another, which nothing here predicts; and numbers that no training changes.
_LEFT_OUT = re.compile(r"cls\.seq_relationship\.(weight|bias)|embeddings\.(position_ids|token_type_ids)")


def is_hugging_face(directory: PathLike) -> bool:
    """Whether a directory looks like a model of Hugging Face's layout, by its file names alone."""
    folder = Path(directory)
    others = (TOKENS_FILE, TOKENIZER_FILE, *STORED, *_ELSEWHERE)
    return (
        (folder / CONFIG_FILE).exists()
        and not (folder / VOCABULARY_FILE).exists()
        and any((folder / name).exists() for name in others)
    )


def read_hugging_face(directory: PathLike, vocab_path: PathLike | None = None) -> ModelFiles:
    """Read a model directory; sizes and all names are checked before any parameter is loaded.

    Args:
        directory: holds config.json; model.safetensors or pytorch_model.bin, each whole or in parts with an index;
            vocab.txt or tokenizer.json, and perhaps tokenizer_config.json.
        vocab_path: the vocabulary, where the directory holds none.

    Raises:
        InputError: a file or parameter is missing, damaged, not finite or does not fit; the configuration asks for what
            is not supported; there is not enough memory.
    """
    source = Path(directory)
    source_config = read_json(inside(source, CONFIG_FILE))
    config = _configure(source, source_config)
    if (stored := find_weights(source)) is None:
        found = next((name for name in _ELSEWHERE if (source / name).exists()), "no weights")
        raise InputError(
            f"{source}: holds {found}, not {WEIGHTS_FILE}; download that file of the model, or convert the weights "
            "with the library that wrote them (save_pretrained)"
        )
    vocabulary = read_vocabulary(source, vocab_path, config["vocab_size"])
    config["lower_case"] = lower_case(source)
    config["no_tasks"] = source_config.get("use_task_id") is False
    with opened_parameters(source, stored) as parameters:
        arrays = _read_arrays(source, parameters, config)
    config.pop("no_tasks", None)
    provenance = {
        "source": "Hugging Face",
        "converted_from": source.resolve().name,
        "licence": "not stated in the files",
        "model_type": source_config.get("model_type", "bert"),
    }
    return ModelFiles("masked_lm", config, vocabulary, arrays, provenance)


def _configure(source: Path, source_config: dict[str, Any]) -> dict[str, Any]:
    """Our configuration by theirs, without what the weights say."""
    place = source / CONFIG_FILE
    if source_config.get("model_type", "bert") not in MODEL_TYPES:  # old files of BERT don't say it
        raise InputError(f"{place}: model_type is {source_config.get('model_type')!r}; only bert and ernie are read")
    config: dict[str, Any] = {}
    for ours, name in _SIZES.items():
        value = source_config.get(name)
        if type(value) is not int or not 0 < value < _LARGEST:
            raise InputError(f"{place}: {name} is {value!r}; give a whole number from 1 to {_LARGEST - 1}")
        config[ours] = value
    config["task_type_vocab_size"] = 0
    if source_config.get("use_task_id", False):
        value = source_config.get("task_type_vocab_size", 3)
        if type(value) is not int or not 0 < value < _LARGEST:
            raise InputError(f"{place}: task_type_vocab_size is {value!r}; with use_task_id it is above 0")
        config["task_type_vocab_size"] = value
    for ours, name in _SHARES.items():
        config[ours] = source_config.get(name, 0.1)
        if type(config[ours]) not in (int, float) or not 0 <= config[ours] < 1:
            raise InputError(f"{place}: {name} is {config[ours]!r}; it is a share from 0 to below 1")
    config["layer_norm_eps"] = source_config.get("layer_norm_eps", 1e-12)
    if type(config["layer_norm_eps"]) is not float or not 0 < config["layer_norm_eps"] < 1:
        raise InputError(f"{place}: layer_norm_eps is {config['layer_norm_eps']!r}; it is a small number above 0")
    config["hidden_act"] = source_config.get("hidden_act", "gelu")
    config["hidden_act"] = _SAME.get(config["hidden_act"], config["hidden_act"])
    if config["hidden_act"] not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise InputError(f"{place}: hidden_act is {config['hidden_act']!r}; only {known} are supported")
    if config["hidden_size"] % config["num_heads"]:
        raise InputError(
            f"{place}: hidden_size {config['hidden_size']} is no multiple of num_attention_heads {config['num_heads']}"
        )
    for name, usual in (("position_embedding_type", "absolute"), ("is_decoder", False)):
        if source_config.get(name, usual) != usual:
            raise InputError(f"{place}: {name} is {source_config[name]!r}; only {usual!r} is supported")
    return config


def _read_arrays(place: Path, parameters: Parameters, config: dict[str, Any]) -> dict[str, Array]:
    """Read the parameters by our names; sets `head`, `pooler` and the tasks of the configuration."""
    path = parameters.place
    heads = sorted(name for name in parameters.shapes if name.split(".")[0] not in _PARTS)
    names = {_plain(name): name for name in parameters.shapes if name not in heads}
    if heads:
        first = ", ".join(sorted({name.split(".")[0] for name in heads})[:5])
        warnings.warn(f"{place}: was fine-tuned; its {first[:200]} are left out", stacklevel=2)
    config["head"] = any(name.startswith("cls.predictions.") for name in names)
    config["pooler"] = any(name.startswith("pooler.") for name in names)
    _find_tasks(place, parameters, names, config)
    if config["num_layers"] > len(names):  # before a list of all their names is made
        raise InputError(
            f"{path}: holds {len(names)} parameters, {CONFIG_FILE} says {config['num_layers']:,} layers; "
            "download both again"
        )
    wanted = _wanted(config)
    for name, shape in wanted.items():
        if name not in names:
            raise InputError(f"{path}: the parameter {name} is missing; download the model again")
        _check_shape(parameters, names[name], shape)
    copies = {_DECODER[0]: "embeddings.word_embeddings.weight", _DECODER[1]: "cls.predictions.bias"}
    for name in sorted(names.keys() - wanted.keys()):
        if not _LEFT_OUT.fullmatch(name) and name not in copies:
            raise InputError(f"{path}: the parameter {names[name]} is not part of a BERT of these sizes")
    check_memory(4 * sum(int(np.prod(shape)) for shape in wanted.values()), path)
    for name in wanted:
        parameters.check_type(names[name])
    arrays = {name: parameters.array(names[name]) for name in wanted}
    check_finite(arrays, path)
    for copy, name in copies.items():
        if copy not in names:
            continue
        if name not in wanted:
            raise InputError(f"{path}: {names[copy]} is there without {name}; such a head is not supported")
        _check_shape(parameters, names[copy], wanted[name])
        parameters.check_type(names[copy])
        if not np.array_equal(parameters.array(names[copy]), arrays[name]):
            raise InputError(f"{path}: {names[copy]} is not tied to {name}; such a head is not supported")
    return _rename(arrays, config)


def _find_tasks(place: Path, parameters: Parameters, names: dict[str, str], config: dict[str, Any]) -> None:
    """Take the number of tasks from their embedding where the configuration says nothing of them."""
    name = names.get(_TASKS)
    if name is None or config["task_type_vocab_size"]:
        return
    if config.pop("no_tasks"):
        del names[_TASKS]
        warnings.warn(f"{place}: use_task_id is false: its task embeddings are left out", stacklevel=2)
        return
    shape = parameters.shapes[name]
    config["task_type_vocab_size"] = shape[0] if shape else 0


def _plain(name: str) -> str:
    """Return a parameter's name without the model's prefix, in today's spelling of norms."""
    name = re.sub(r"^(bert|ernie)\.", "", name)
    return re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", name))


def _check_shape(parameters: Parameters, name: str, shape: Shape) -> None:
    if parameters.shapes[name] != shape:
        found = list(parameters.shapes[name])
        raise InputError(f"{parameters.place}: {name} has shape {found}, {CONFIG_FILE} says {list(shape)}")


def _wanted(config: dict[str, Any]) -> dict[str, Shape]:
    """Shapes of all parameters by their names."""
    dim, inner = config["hidden_size"], config["intermediate_size"]
    shapes: dict[str, Shape] = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], dim),
        "embeddings.position_embeddings.weight": (config["max_length"], dim),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], dim),
    }
    if config["task_type_vocab_size"]:
        shapes[_TASKS] = (config["task_type_vocab_size"], dim)

    def linear(name: str, outputs: int, inputs: int) -> None:
        shapes.update({f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)})

    def norm(name: str) -> None:
        shapes.update({f"{name}.weight": (dim,), f"{name}.bias": (dim,)})

    norm("embeddings.LayerNorm")
    for number in range(config["num_layers"]):
        block = f"encoder.layer.{number}"
        for name in _QKV:
            linear(f"{block}.{name}", dim, dim)
        linear(f"{block}.{_BLOCK['attention_output']}", dim, dim)
        linear(f"{block}.{_BLOCK['intermediate']}", inner, dim)
        linear(f"{block}.{_BLOCK['output']}", dim, inner)
        norm(f"{block}.{_BLOCK['attention_norm']}")
        norm(f"{block}.{_BLOCK['output_norm']}")
    if config["pooler"]:
        linear("pooler.dense", dim, dim)
    if config["head"]:
        linear("cls.predictions.transform.dense", dim, dim)
        norm("cls.predictions.transform.LayerNorm")
        shapes["cls.predictions.bias"] = (config["vocab_size"],)
    return shapes


def _rename(arrays: dict[str, Array], config: dict[str, Any]) -> dict[str, Array]:
    """Give the parameters our names and shapes; takes them out of `arrays`."""
    ours = {
        f"encoder.{name}_embedding": arrays.pop(f"embeddings.{other}_embeddings.weight")
        for name, other in (("token", "word"), ("position", "position"), ("segment", "token_type"))
    }
    if config["task_type_vocab_size"]:
        ours["encoder.task_embedding"] = arrays.pop(_TASKS)

    def move(target: str, source: str) -> None:
        weight = arrays.pop(f"{source}.weight")
        ours[f"{target}.weight"] = np.ascontiguousarray(weight.T)  # a norm's has one dimension
        ours[f"{target}.bias"] = arrays.pop(f"{source}.bias")

    move("encoder.embedding_norm", "embeddings.LayerNorm")
    for number in range(config["num_layers"]):
        target, source = f"encoder.blocks.{number}", f"encoder.layer.{number}"
        for part, axis in (("weight", 1), ("bias", 0)):
            three = [arrays.pop(f"{source}.{name}.{part}").T for name in _QKV]
            ours[f"{target}.qkv.{part}"] = np.concatenate(three, axis=axis)
        for name, other in _BLOCK.items():
            move(f"{target}.{name}", f"{source}.{other}")
    if config["pooler"]:
        move("pooler.dense", "pooler.dense")
    if config["head"]:
        move("head.transform", "cls.predictions.transform.dense")
        move("head.transform_norm", "cls.predictions.transform.LayerNorm")
        ours["head.decoder_bias"] = arrays.pop("cls.predictions.bias")
    return ours
