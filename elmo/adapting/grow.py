"""A larger biLM that computes what a trained one does, to be trained on: what the command `elmo grow` does.

Source: Chen, Goodfellow and Shlens (2016), "Net2Net: Accelerating Learning via Knowledge Transfer", here with new units
that begin by chance and are not listened to, in place of copies of old ones.
"""

from __future__ import annotations

import dataclasses
import os

import numpy as np

from elmo.bilm import BiLM, bilm_from_files
from elmo.bilm_config import BiLMConfig
from elmo.checks import config_of_file
from elmo.convert import read_any
from elmo.convert.safety import check_memory
from elmo.errors import InputError
from elmo.models import ModelFiles, check_free, write_model
from elmo.runtime import seed_everything
from elmo.system.types import PathLike


def grow(
    source: PathLike,
    output: PathLike,
    *,
    embed_size: int,
    hidden_size: int,
    random_seed: int = 0,
    overwrite: bool = False,
) -> BiLMConfig:
    """Write a larger biLM that predicts what a trained one predicts; returns its sizes.

    Args:
        source: a biLM, as `elmo.convert.read_any` takes it.
        output: directory for the model.
        embed_size: numbers of a word's vector and of a projection, at least as many as the source has.
        hidden_size: cells of a layer, likewise.
        random_seed: of the new numbers.
        overwrite: take the place of a model that is there.

    Raises:
        InputError: the source is no biLM, is damaged or reads words by their characters, a size is smaller than the
            source's, the larger model has no room in memory, or the output can't be written.
    """
    check_free(output, overwrite, [source] if os.path.isdir(source) else [], kind="bilm")
    files = read_any(source, kind="bilm")
    larger = grown(files, embed_size, hidden_size, random_seed, source)
    provenance = {
        **files.provenance,
        "grown_from": {
            "model": os.path.basename(os.path.realpath(source)),
            "embed_size": files.config["embed_size"],
            "hidden_size": files.config["hidden_size"],
        },
    }
    write_model(output, dataclasses.replace(larger, provenance=provenance), overwrite=overwrite, sources=[source])
    return config_of_file(BiLMConfig, larger.config, larger.vocabulary, output)


def grown(
    files: ModelFiles, embed_size: int, hidden_size: int, random_seed: int = 0, place: object = "the model"
) -> ModelFiles:
    """The larger model, as `grow` writes it.

    New cells and the new numbers of a projection begin as those of a new biLM. What the old parts would hear of them is
    multiplied by zero, and so is a tied softmax's share of the new numbers: every prediction stays. The zeros
    learn like any other number, from the second or third step on.
    """
    small = bilm_from_files(files, place)
    config = small.config
    if config.token_encoder is not None:
        raise InputError(f"{place}: reads words by their characters: only a biLM that looks words up can grow")
    for name, size in (("embed_size", embed_size), ("hidden_size", hidden_size)):
        if size < (before := getattr(config, name)):
            raise InputError(f"{name} is {size}, and {place} has {before}: a model grows, so give at least as many")
    larger = dataclasses.replace(config, embed_size=embed_size, hidden_size=hidden_size)
    check_memory(4 * larger.num_parameters, place)
    seed_everything(random_seed)
    arrays = {name: np.array(parameter.numpy()) for name, parameter in BiLM(larger).named_parameters()}
    learnt = {name: parameter.numpy() for name, parameter in small.named_parameters()}
    embed, hidden = config.embed_size, config.hidden_size
    for name, new in arrays.items():
        old = learnt[name]
        if name.endswith(("input_weight", "recurrent_weight")):  # [embed, 4 * hidden]
            gates = new.reshape(embed_size, 4, hidden_size)
            gates[:, :, :hidden] = 0  # what old cells hear of new numbers
            gates[:embed, :, :hidden] = old.reshape(embed, 4, hidden)
        elif name.endswith("projection_weight"):  # [hidden, embed]
            new[:, :embed] = 0  # what old numbers hear of new cells
            new[:hidden, :embed] = old
        elif name.endswith(".bias"):  # [4 * hidden]
            new.reshape(4, hidden_size)[:, :hidden] = old.reshape(4, hidden)
        elif name == "softmax_bias":  # [vocabulary]
            new[:] = old
        else:  # [vocabulary, embed]
            if name == "softmax_weight" or config.tie_softmax:
                new[:, embed:] = 0  # what predictions hear of new numbers
            new[:, :embed] = old
    config_fields = {**files.config, "embed_size": embed_size, "hidden_size": hidden_size}
    return dataclasses.replace(files, config=config_fields, arrays=arrays)
