"""Perplexity of a model on held-out shards: what the commands `elmo eval perplexity` and `elmo eval masked` do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from elmo.bilm import bilm_from_files
from elmo.convert import read_any
from elmo.masked_lm import KIND, masked_lm_from_files
from elmo.models import ModelFiles
from elmo.system.types import PathLike
from elmo.text.batches import SentenceIds
from elmo.text.masking import MaskedSequences
from elmo.text.pieces import PieceVocabulary
from elmo.text.segment.dictionary import warn_of_shards
from elmo.text.units import UnitText
from elmo.text.vocabulary import UNK, Vocabulary
from elmo.training.bilm import BiLMObjective, find_lexicon
from elmo.training.masked import MaskedLMObjective, MaskedSettings
from elmo.training.settings import PretrainSettings


def evaluate_perplexity(
    path_or_name: PathLike, test_path: str, batch_size: int = 64, common_vocabulary: PathLike | None = None
) -> dict[str, Any]:
    """Perplexity of a biLM on held-out shards with the full softmax (`BiLMObjective.evaluate`), and how it was trained.

    Args:
        path_or_name: the model.
        test_path: path or glob of the shards.
        batch_size: sentences that are run together; changes speed and memory, not the result (to 1e-6).
        common_vocabulary: a vocabulary of another model: words that are not in both count as `<UNK>`, so that the two
            models predict the same things, and their perplexities can be compared.

    Returns:
        `perplexity`, `forward_perplexity`, `backward_perplexity`, `nats_per_character` and `unknown_share`, see
        `BiLMObjective.evaluate`; `test_words`; and from the model's provenance `runs` (settings, steps, tokens read)
        and `tokens_read`, the sum over runs, in each direction.

    Raises:
        InputError: the model or the shards can't be used.
    """
    files = read_any(path_or_name, kind="bilm")
    objective, dev = held_out_objective(files, path_or_name, test_path, batch_size)
    warn_of_shards(files.provenance, path_or_name, dev.paths, words=True)
    kept, of_both = None, {}
    if common_vocabulary is not None:
        other = Vocabulary.load(common_vocabulary)
        kept = np.array([token in other and token != UNK for token in files.vocabulary.tokens])
        of_both = {"common_vocabulary": Path(common_vocabulary).name, "tokens_in_both": int(kept.sum())}
    runs = files.provenance.get("runs", [])
    return {
        **objective.evaluate(kept),
        **of_both,
        "test_words": dev.num_words,
        "tokens_read": sum(run["tokens_read"] for run in runs),
        "runs": runs,
    }


def held_out_objective(
    files: ModelFiles, place: object, test_path: PathLike, batch_size: int = 64
) -> tuple[BiLMObjective, SentenceIds]:
    """What scores a biLM on held-out shards, and their sentences; the arguments are those of `evaluate_perplexity`."""
    model = bilm_from_files(files, place)
    words, lexicon = find_lexicon(model.config, files.vocabulary, str(test_path))
    dev = SentenceIds(test_path, words)
    settings = PretrainSettings(batch_size=batch_size)
    return BiLMObjective(model, files.vocabulary, dev, dev, settings, lexicon), dev


def evaluate_masked(
    path_or_name: PathLike, test_path: str, *, tagged: bool = False, batch_size: int = 32
) -> dict[str, Any]:
    """Perplexity of masked characters and of masked words on held-out shards (see `MaskedLMObjective.evaluate`).

    Raises:
        InputError: the model or the shards can't be used.
    """
    files = read_any(path_or_name, kind=KIND)
    model = masked_lm_from_files(files, path_or_name)
    vocabulary = files.vocabulary
    assert isinstance(vocabulary, PieceVocabulary)
    text = UnitText(test_path, vocabulary, tagged=tagged, lower_case=model.config.lower_case)
    warn_of_shards(files.provenance, path_or_name, text.paths, words=False)
    dev = MaskedSequences(text, model.config.max_length)
    settings = MaskedSettings(batch_size=batch_size)
    scores = MaskedLMObjective(model, vocabulary, dev, dev, settings).evaluate()
    runs = files.provenance.get("runs", [])
    return {
        **scores,
        "test_characters": text.num_characters,
        "unknown_share": int(text.count_tokens()[vocabulary.unk_id]) / max(text.num_characters, 1),
        "characters_read": sum(run["tokens_read"] for run in runs),
        "runs": runs,
    }
