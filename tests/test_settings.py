"""Every class of sizes or settings refuses bad values of each of its fields, and names the field in a line."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from elmo.bilm_config import BiLMConfig
from elmo.corpora.tasks import SetSizes
from elmo.masked_lm import MaskedLMConfig
from elmo.tagging.network import TaggerConfig
from elmo.tagging.train import TrainSettings
from elmo.tasks.network import NetworkConfig
from elmo.tasks.plan import ExperimentSettings
from elmo.training.early_stopping import FitSettings
from elmo.training.masked import MaskedSettings
from elmo.training.settings import PretrainSettings
from elmo.word_vectors import SkipGramConfig
from tests.refusals import refusal

NO_NUMBER = (None, True, "1", [1], math.nan, math.inf, -math.inf, 10**400, -1)
BAD = {
    "whole": (*NO_NUMBER, 0, 1.0, 2.5, 1 << 31),
    "count": (*NO_NUMBER, 1.0, 1 << 31),  # 0 is one
    "seed": (*NO_NUMBER, 1.0, 1 << 63),
    "positive": (*NO_NUMBER, 0, 0.0, -1e-9),
    "rate": (*NO_NUMBER, -1e-9),  # 0 is one
    "clip": (*NO_NUMBER[1:], 0, 0.0),  # None is one
    "share": (*NO_NUMBER, 1, 1.0, 1.5),
    "part": (*NO_NUMBER, 1.5),  # 1 is one
    "flag": (None, 0, 1, "True"),
    "choice": (None, 0, "", "none of them", ["adam"]),
}
FIT = {"whole": "batch_size max_epoch patience", "positive": "learning_rate max_grad_norm", "seed": "random_seed"}
RUN = {
    "whole": "batch_size accumulate_steps max_epoch log_interval keep_checkpoints",
    "count": "save_interval dev_interval warmup_steps patience",
    "positive": "learning_rate max_grad_norm",
    "flag": "shuffle",
    "choice": "amp optim lr_schedule",
    "seed": "random_seed",
}
CLASSES: list[tuple[type, dict[str, Any], dict[str, str]]] = [  # what must be given, and the fields of each sort
    (FitSettings, {}, FIT),
    (
        TrainSettings,
        {},
        {
            **FIT,
            "whole": f"{FIT['whole']} min_count",
            "positive": f"{FIT['positive']} decay",
            "rate": "embedding_rate crf_rate elmo_rate",
            "part": "unknown",
            "choice": "amp",
        },
    ),
    (
        PretrainSettings,
        {},
        {
            **RUN,
            "whole": f"{RUN['whole']} num_steps n_negative_samples_batch",
            "flag": f"{RUN['flag']} sample_softmax reset_states",
        },
    ),
    (MaskedSettings, {}, {**RUN, "flag": f"{RUN['flag']} tagged"}),
    (
        TaggerConfig,
        {"tags": ("n",), "num_words": 3},
        {
            "whole": "num_words embedding_size hidden_size num_layers",
            "count": "feature_layers feature_size",
            "share": "dropout feature_dropout",
            "choice": "tokens",
        },
    ),
    (NetworkConfig, {"num_characters": 3}, {"whole": "num_characters embedding_size hidden_size", "share": "dropout"}),
    (
        ExperimentSettings,
        {},
        {
            "whole": "seeds max_epoch patience batch_size fine_tuned_train fine_tuned_dev fine_tuned_epochs "
            "fine_tuned_batch_size",
            "count": "fine_tuned_seeds",
        },
    ),
    (SetSizes, {}, {"whole": "train dev test"}),
    (
        SkipGramConfig,
        {},
        {
            "whole": "vector_size window negative min_count epochs batch_words",
            "positive": "learning_rate",
            "rate": "sample min_learning_rate",
            "seed": "seed",
        },
    ),
    (
        BiLMConfig,
        {"vocab_size": 5},
        {
            "whole": "vocab_size embed_size hidden_size num_layers",
            "clip": "cell_clip proj_clip",
            "share": "dropout",
            "flag": "use_skip_connections tie_softmax softmax",
        },
    ),
    (
        MaskedLMConfig,
        {"vocab_size": 7},
        {
            "whole": "vocab_size hidden_size num_layers num_heads intermediate_size max_length type_vocab_size",
            "count": "task_type_vocab_size",
            "share": "dropout attention_dropout",
            "flag": "lower_case head pooler",
            "choice": "hidden_act",
        },
    ),
]


def cases() -> Iterator[Any]:
    for kind, given, sorts in CLASSES:
        for sort, names in sorts.items():
            for name in names.split():
                yield pytest.param(kind, given, name, BAD[sort], id=f"{kind.__name__}.{name}")


@pytest.mark.parametrize(("kind", "given", "name", "bad"), cases())
def test_bad_values_of_a_field_are_refused_in_a_line_that_names_it(
    kind: type, given: dict[str, Any], name: str, bad: tuple[Any, ...]
) -> None:
    for value in bad:
        message = refusal(kind, **{**given, name: value})
        assert message.startswith(f"{name} is "), (value, message)
        assert len(message) < 200
