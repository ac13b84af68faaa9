"""Training a tagger from gold sentences: the settings, the epochs, and all that it takes from words to a model."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elmo.bilm import init_pretraining_params
from elmo.checks import check_choice, check_positive, check_share, check_whole
from elmo.convert import read_any
from elmo.convert.safety import check_memory
from elmo.encoding.features import Features
from elmo.errors import InputError
from elmo.models import ModelFiles
from elmo.nn.native.precision import PRECISIONS, choose_precision
from elmo.runtime import paddle, seed_everything
from elmo.system.types import PathLike
from elmo.tagging.baidu import start_from_lac
from elmo.tagging.baidu_files import LacFiles
from elmo.tagging.examples import (
    Examples,
    GoldSentence,
    evaluate,
    make_examples,
    make_vocabulary,
    normalise_gold,
    segment_gold,
)
from elmo.tagging.network import (
    TaggerConfig,
    TaggerInput,
    TaggerNetwork,
    check_unit,
    describe_fine_tuned,
    fine_tuned_elmo,
)
from elmo.tagging.tagger import KIND, Tagger
from elmo.tagging.tagger.readers import make_reader
from elmo.text.normalise import Normaliser
from elmo.text.vocabulary import Vocabulary
from elmo.training.checkpoint import check_removable, checkpoints
from elmo.training.early_stopping import EarlyStopping, Epoch, FitSettings, as_json


@dataclass(frozen=True)
class TrainSettings(FitSettings):
    """How a tagger is trained; rates and their multiples are LARK's. Batches are of sentences, the score is F1."""

    max_epoch: int = 30
    patience: int = 3
    embedding_rate: float = 5.0  # multiple of the learning rate for the word embedding
    crf_rate: float = 0.2  # multiple of it for the CRF's table
    elmo_rate: float = 0.1  # multiple of it for a biLM that is fine-tuned
    decay: float = 0.5  # the learning rate is multiplied by this after each epoch without a better score
    unknown: float = 0.5  # share of the tokens seen once in training that are read as unknown, so that it is learnt
    min_count: int = 1  # tokens seen less often have no row in the embedding
    amp: str = "none"  # precision of products: see `elmo.nn.native.precision`

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self, "amp", PRECISIONS)
        check_whole(self, "min_count")
        check_positive(self, "decay")
        check_positive(self, "embedding_rate", "crf_rate", "elmo_rate", or_zero=True)
        check_share(self, "unknown", or_all=True)


class TaggerTrainer(EarlyStopping):
    """Trains a network until the development part's F1 has not risen for `patience` epochs, and keeps the best.

    Args:
        network: with its first parameters.
        settings: how.
        train: to learn from.
        dev: to stop by; None trains `max_epoch` epochs and keeps the last.
        vocabulary: of the tokens; saved with the model.
        save_dir: for checkpoints, see `EarlyStopping`; None for none.
        report: is told of each epoch.

    Raises:
        InputError: there is nothing to learn from.
    """

    settings: TrainSettings

    def __init__(
        self,
        network: TaggerNetwork,
        settings: TrainSettings,
        train: Examples,
        dev: Examples | None,
        vocabulary: Vocabulary,
        save_dir: PathLike | None = None,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        if not len(train):
            raise InputError("there is no training sentence: give one or more")
        if dev is not None and not len(dev):
            raise InputError("there is no development sentence: give one or more, or no development part")
        settings = dataclasses.replace(settings, amp=choose_precision(settings.amp))
        _set_rates(network, settings)
        super().__init__(
            network, settings, len(train), save_dir=save_dir, decay=settings.decay, amp=settings.amp, report=report
        )
        self.train_examples = train
        self.dev = dev
        self.vocabulary = vocabulary
        self.best_score = -1.0  # below any F1
        counts = Counter(int(token) for sentence in train.sentences for token in sentence.ids)
        self._once = np.zeros(network.config.num_words, bool)
        if network.config.lac is None:  # whose unknown has long been learnt
            self._once[[token for token, count in counts.items() if count == 1]] = True

    def run(self) -> list[dict[str, Any]]:
        """Train; the network then has its best parameters. Returns a record an epoch.

        Raises:
            RunError: the loss is not finite, or a checkpoint can't be written. KeyboardInterrupt: after saying what
                was saved.
        """
        try:
            return super().run()
        except KeyboardInterrupt:
            saved = None if self.save_dir is None else next(iter(checkpoints(self.save_dir)), None)
            self.report(
                "stopped: " + ("nothing is saved" if saved is None else f"{saved} is saved; go on with --resume True")
            )
            raise

    def batches(self, generator: np.random.Generator) -> Iterator[list[TaggerInput]]:
        """Training sentences in a new order; some tokens that occur once are read as unknown."""
        unknown = self.vocabulary.unk_id
        size = self.settings.batch_size
        sentences = self.train_examples.sentences
        order = generator.permutation(len(sentences))
        for start in range(0, len(order), size):
            batch = []
            for index in order[start : start + size]:
                sentence = sentences[index]
                hidden = self._once[sentence.ids] & (generator.random(len(sentence.ids)) < self.settings.unknown)
                ids = np.where(hidden, unknown, sentence.ids)
                batch.append(dataclasses.replace(sentence, ids=ids))
            yield batch

    def score(self) -> float | None:
        """F1 of the development part, if there is one."""
        return None if self.dev is None else float(evaluate(self.network, self.dev).tagged().score().f1)

    def record(self, epoch: Epoch) -> dict[str, Any]:
        """Loss, learning rate, speed, and F1 if there is a development part."""
        return {
            "epoch": epoch.number,
            "loss": epoch.loss,
            "learning_rate": epoch.rate,
            "seconds": epoch.seconds,
            "tokens_per_second": self.train_examples.num_tokens / epoch.seconds,
            **({} if epoch.score is None else {"dev_f1": epoch.score}),
            **({"best": True} if epoch.is_best else {}),
        }

    def line(self, epoch: Epoch) -> str:
        """Loss, F1 and speed; a star marks what is better than before."""
        shown = "" if epoch.score is None else f", dev F1 {100 * epoch.score:.2f}"
        speed = self.train_examples.num_tokens / epoch.seconds
        star = " *" if epoch.score is not None and epoch.is_best else ""
        return f"epoch {epoch.number}: loss {epoch.loss:.3f}{shown}, {speed:,.0f} tokens/s{star}"

    def identity(self) -> dict[str, Any]:
        """Settings, sizes and sentences: what must be the same in a run that goes on."""
        settings = {**as_json(self.settings), **as_json(self.network.config)}
        for name in ("max_epoch", "patience", "num_words"):  # one may go on for longer; words follow from sentences
            del settings[name]
        if isinstance(features := settings["features"], dict):
            settings["features"] = {name: value for name, value in features.items() if name != "vocabulary"}  # is long
        if settings.pop("lac") is not None:  # is long too; runs from before do not have it
            settings["words"] = self.vocabulary.fingerprint
        dev = None if self.dev is None else self.dev.fingerprint
        return {**settings, "training part": self.train_examples.fingerprint, "development part": dev}

    def model_files(self) -> ModelFiles:
        """The tagger as it is."""
        return ModelFiles(KIND, as_json(self.network.config), self.vocabulary, self.arrays())


def _set_rates(network: TaggerNetwork, settings: TrainSettings) -> None:
    """Give parameters their multiple of the learning rate."""
    network.embedding.weight.optimize_attr["learning_rate"] = settings.embedding_rate
    network.transitions.optimize_attr["learning_rate"] = settings.crf_rate
    if network.elmo is not None:
        for parameter in network.elmo.bilm.parameters():
            parameter.optimize_attr["learning_rate"] = settings.elmo_rate


def new_network(
    vocabulary: Vocabulary,
    tags: Sequence[str],
    features: Features | None = None,
    fine_tune: str | None = None,
    sizes: Mapping[str, Any] | None = None,
    **fields: Any,
) -> tuple[TaggerNetwork, Vocabulary | None]:
    """Build a network with its first parameters; and the vocabulary of the biLM that is part of it, if any.

    Args:
        vocabulary: of the tokens.
        tags: all tags there are.
        features: frozen vectors that it will read.
        fine_tune: name or path of an ELMo that is trained along, in place of features.
        sizes: fields of `TaggerConfig`, such as hidden_size or dropout.
        fields: others of its fields, which are not sizes.

    Raises:
        InputError: the configuration is none, or is far too large; the ELMo can't be read or trained along.
    """
    pretrained = None if fine_tune is None else read_any(fine_tune, kind="bilm")
    described = None if features is None else features.describe()
    if pretrained is not None:
        described = describe_fine_tuned(pretrained, fine_tune)
    given: dict[str, Any] = {
        "tags": tuple(tags),
        "num_words": len(vocabulary),
        "features": described,
        "feature_layers": 0 if features is None else features.layers,
        "feature_size": 0 if features is None else features.size,
        **fields,
    }
    if odd := sorted(given.keys() & (sizes or {}).keys()):
        raise InputError(f"sizes has {odd[0]!r}, which follows from what else is given: leave it out")
    config = TaggerConfig.from_dict({**given, **(sizes or {})})
    check_memory(4 * config.num_parameters, "these sizes")
    elmo, elmo_vocabulary = (None, None) if pretrained is None else fine_tuned_elmo(config)
    network = TaggerNetwork(config, elmo)
    if pretrained is not None:
        init_pretraining_params(network, pretrained)
    return network, elmo_vocabulary


def check_save_dir(save_dir: PathLike, *, resume: bool, overwrite: bool) -> None:
    """Refuse a folder that holds checkpoints of another run, unless they may be gone on from or overwritten."""
    if Path(save_dir).exists() and not Path(save_dir).is_dir():
        raise InputError(f"{save_dir} is a file: give a folder")
    check_removable(save_dir, KIND, only_best=resume or not overwrite)
    if not (resume or overwrite) and (earlier := checkpoints(save_dir)):
        raise InputError(
            f"{save_dir} holds checkpoints of another run ({earlier[0].name}): go on with --resume True, choose "
            "another --save_dir, or give --overwrite True"
        )


def train_tagger(
    train: Sequence[GoldSentence],
    dev: Sequence[GoldSentence] | None = None,
    *,
    tags: Sequence[str],
    tokens: str = "words",
    segmenter: str = "jieba",
    normalise: Sequence[str] = (),
    features: Features | None = None,
    fine_tune: str | None = None,
    start: LacFiles | None = None,
    settings: TrainSettings | None = None,
    sizes: dict[str, Any] | None = None,
    save_dir: PathLike | None = None,
    resume: bool = False,
    overwrite: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> Tagger:
    """Train a tagger from gold sentences.

    Args:
        train, dev: gold sentences; dev decides when to stop, None for `max_epoch` epochs.
        tags: all tags there are.
        tokens: what the network reads: "words" of the segmenter, "characters", or "mixed", see `make_vocabulary`.
        normalise: steps that the words go through first, see `elmo.text.normalise`; in use the tagger takes them too.
        features: frozen vectors of the segmenter's words, or of characters, see `elmo.encoding.features`; those of all
            sentences are kept in half precision.
        fine_tune: name or path of an ELMo that is trained along, in place of features.
        start: Baidu's LAC, whose parameters are the first and which decides what a token is, see `start_from_lac`.
        settings: how; sizes: fields of `TaggerConfig`, such as hidden_size; of a `start` the dropout alone.
        save_dir: where checkpoints go; must not hold those of another run unless `overwrite`.
        resume: go on from the newest whole checkpoint in `save_dir`, or begin where there is none.
        overwrite: take the place of checkpoints that are there.
        report: is told of each epoch.

    Raises:
        InputError: gold sentences and tags do not fit, both `features` and `fine_tune` are given, or what is resumed
            was trained otherwise. RunError: see `TaggerTrainer.run`.
    """
    if features is not None and fine_tune is not None:
        raise InputError("give features (frozen) or fine_tune, not both")
    if start is not None:
        if fine_tune is not None:
            raise InputError("an ELMo that is trained along does not go with a start from Baidu's LAC: use it frozen")
        if odd := sorted((sizes or {}).keys() - {"dropout"}):
            raise InputError(f"sizes has {odd[0]!r}, which a start from Baidu's LAC decides: leave it out")
        tokens = "lac"
    if features is not None:
        check_unit(features.unit, tokens)
    if resume and save_dir is None:
        raise InputError("resume goes on from a checkpoint: give save_dir")
    if save_dir is not None:
        check_save_dir(save_dir, resume=resume, overwrite=overwrite)
    settings = settings or TrainSettings()
    seed_everything(settings.random_seed)
    normaliser = Normaliser(normalise)
    if normaliser.steps:
        train, dev = normalise_gold(train, normaliser), None if dev is None else normalise_gold(dev, normaliser)
    segmented = segment_gold(train, segmenter)
    sizes = sizes or {}
    if start is None:
        vocabulary = make_vocabulary(segmented, tokens, settings.min_count, train)
        fields = {"tokens": tokens, "segmenter": segmenter, "normalise": normaliser.steps}
        network, elmo_vocabulary = new_network(vocabulary, tags, features, fine_tune, sizes, **fields)
    else:
        vocabulary = start.vocabulary
        elmo_vocabulary = None
        network = start_from_lac(start, tags, features, normalise=normaliser.steps, segmenter=segmenter, **sizes)
    reader = make_reader(network.config, vocabulary, features, elmo_vocabulary)
    examples = make_examples(train, segmented, reader, report)
    held_out = None if dev is None else make_examples(dev, segment_gold(dev, segmenter), reader, report)
    report(
        f"{len(examples):,} training sentences, {examples.num_tokens:,} tokens; {examples.straddling:,} of them hold "
        "characters of several words"
    )
    trainer = TaggerTrainer(network, settings, examples, held_out, vocabulary, save_dir, report)
    if resume and trainer.resume():
        report(f"going on after epoch {len(trainer.history)}")
    history = trainer.run()
    provenance = {"settings": dataclasses.asdict(settings), "history": history, "paddle": paddle.__version__}
    if start is not None:
        provenance["note"] = "went on from the parameters of Baidu's LAC, with its dictionaries"
    return Tagger(network, vocabulary, features, elmo_vocabulary, provenance=provenance)
