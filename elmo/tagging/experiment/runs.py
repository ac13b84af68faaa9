"""Doing the runs: each is done once and leaves a record, by whichever process begins it first."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elmo.corpora.peoples_daily import read_peoples_daily
from elmo.corpora.tagged import COARSE, TAG_GROUPS, Tagged, widen_punctuation
from elmo.corpora.universal_dependencies import read_ud
from elmo.encoding.features import ElmoFeatures, Features, WordVectorFeatures
from elmo.encoding.lark_defects import DEFECTS
from elmo.errors import InputError
from elmo.experiment import Experiment, number_of_best
from elmo.runtime import seed_everything
from elmo.system.types import PathLike
from elmo.tagging.baidu import start_from_lac
from elmo.tagging.baidu_files import LacFiles, read_lac
from elmo.tagging.examples import Examples, evaluate, make_examples, make_vocabulary, segment_gold
from elmo.tagging.experiment.plan import BAIDU_SETTING, GRID, PARTS, SCORES, SIZES, TAGS, Run, planned, settings_of
from elmo.tagging.network import TaggerNetwork
from elmo.tagging.score import ChunkCounts, SentenceCounts
from elmo.tagging.tagger.readers import Reader, add_vectors, make_reader
from elmo.tagging.train import TaggerTrainer, new_network
from elmo.text.vocabulary import Vocabulary

MODELS = ("elmo", "word2vec", "elmo_characters", "baidu")  # that may be given
DEV_SENTENCES = 500  # of the development day, drawn once: early stopping and tuning look at these
_GROUP_OF = {tag: group for group, tags in TAG_GROUPS.items() for tag in tags}


class Corpora:
    """Gold sentences with the segmenter's words, read once.

    Args:
        folder: of the public corpora, with People's Daily and Universal Dependencies in its `lac`.
    """

    def __init__(self, folder: PathLike) -> None:
        self._folder = Path(folder) / "lac"
        self._gold: dict[str, list[Tagged]] = {}
        self._segmented: dict[str, list[list[str]]] = {}

    def gold(self, name: str) -> list[Tagged]:
        """A part: "pd/train", "pd/dev", "pd/test" or "ud/test"; InputError where it can't be read."""
        if name not in self._gold:
            corpus, part = name.split("/")
            if corpus == "pd":
                sentences = read_peoples_daily(self._folder / "peoples_daily_199801_01-24.txt", (part,))
            else:
                sentences = widen_punctuation(read_ud(self._folder / "ud_gsdsimp_dev.conll"))
            if part == "dev":
                drawn = np.random.default_rng(0).permutation(len(sentences))[:DEV_SENTENCES]
                sentences = [sentences[index] for index in sorted(drawn)]
            self._gold[name] = sentences
        return self._gold[name]

    def get(self, name: str) -> tuple[list[Tagged], list[list[str]]]:
        """A part with the segmenter's words of each sentence."""
        gold = self.gold(name)
        if name not in self._segmented:
            self._segmented[name] = segment_gold(gold)
        return gold, self._segmented[name]

    def sample(self, run: Run) -> tuple[list[Tagged], list[list[str]]]:
        """The training sentences of a run."""
        sentences = self.gold(f"{run.corpus}/train")
        drawn = np.random.default_rng([1, run.seed]).permutation(len(sentences))[: SIZES[run.size]]
        chosen = [sentences[index] for index in drawn]
        return chosen, segment_gold(chosen)


class LacExperiment(Experiment[Run]):
    """Runs of taggers with and without what pretrained models add.

    Args:
        corpora: folder of the public corpora.
        work: folder of the runs; several processes may share it.
        models: names or paths of pretrained models, by some of `MODELS`; runs of others are left out.
        only: parts of runs' names; runs whose names hold none of them are left out. None: all runs.
        report: is told of what is done.

    Raises:
        InputError: there is no such model, or no run whose name holds one of `only`.
    """

    seconds_to_wait = 10.0

    def __init__(
        self,
        corpora: PathLike,
        work: PathLike,
        models: Mapping[str, PathLike],
        only: Sequence[str] | None = None,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        if odd := [name for name in models if name not in MODELS]:
            raise InputError(f"the model {odd[0]!r} is unknown: give some of {', '.join(MODELS)}")
        for part in only or ():
            if not any(part in run.name for run in planned()):
                raise InputError(f"no run's name holds {part!r}: names are such as {next(planned()).name}")
        # Baidu's parameters are in a folder of folders, which is checked when it is read.
        super().__init__(work, {name: path for name, path in models.items() if name != "baidu"}, report)
        self.models = dict(models)
        self.corpora = Corpora(corpora)
        self._only = only
        self._vectors: tuple[str, dict[str, list[Any]]] = ("", {})  # of the parts that every run reads, of one system
        self._features: dict[str, Features | None] = {}

    def jobs(self) -> list[Run]:
        """The runs that are asked for and whose models are given."""
        return [run for run in self._asked() if set(run.models) <= self.models.keys()]

    def missing_models(self) -> list[str]:
        """Models that more of the runs that are asked for would need."""
        needed = {name for run in self._asked() for name in run.models}
        return [name for name in MODELS if name in needed and name not in self.models]

    def _asked(self) -> list[Run]:
        return [run for run in planned() if not self._only or any(part in run.name for part in self._only)]

    def open_all(self) -> None:
        """Open the models of the runs that are not done; says which are not given."""
        for name in self.missing_models():
            self.report(f"no model is given as {name}: its runs are left out")
        # A model's name is that of a system that reads it.
        for name in {name for run in self.jobs() if not self.finished(run) for name in run.models}:
            if name == "baidu":
                self.baidu()
            else:
                self.features(name)

    def run(self) -> None:
        """As `Experiment.run`, and say at the end how many runs are done."""
        super().run()
        self.report(f"{self._progress()} runs are done")

    def _progress(self) -> str:
        return f"{sum(map(self.finished, self.jobs()))} of {len(self.jobs())}"

    def finished(self, job: Run) -> bool:
        """Whether a run is done, scores and all; raises as `record`."""
        return self.record(job) is not None

    def is_ready(self, job: Run) -> bool:
        """Whether the settings of a run are chosen."""
        return self.setting(job) is not None

    def why_never(self, job: Run) -> str:
        """Empty where this process or another does what is missing of the tuning that a run waits for."""
        wanted = self.jobs()
        for other in job.grid_runs:
            if not self.finished(other) and other not in wanted:
                with self.runs.claim(other.name) as is_free:
                    if is_free and not self.finished(other):
                        return f"the settings of {job.family} are not tuned, nor will be"
        return ""

    def record(self, run: Run) -> dict[str, Any] | None:
        """What a run has left, None if it has to be done; InputError if that is damaged or of another model."""
        found = self.runs.read(run.name)
        if found is None:
            return None
        place = self.runs.folder / f"{run.name}.json"
        is_ours = all(found.get(name) == value for name, value in dataclasses.asdict(run).items())
        has_scores = isinstance(found.get("dev_f1"), float) and all(_is_score(found.get(part)) for part in PARTS)
        models = found.get("models", {})
        if not (is_ours and has_scores and isinstance(models, dict)):
            raise InputError(f"{place}: is no record of this run; remove it, and the run is done anew")
        given = {name: self.fingerprints.get(name, fingerprint) for name, fingerprint in models.items()}
        self.check_same(run.name, models, given, "work folder")
        return found if run.grid is not None or all(part in found for part in PARTS) else None

    def setting(self, run: Run) -> dict[str, float] | None:
        """The setting of a run: that of the grid, or the best of its family's; None while these are not all done."""
        if run.grid is not None:
            return GRID[run.grid]
        if not run.grid_runs:
            return BAIDU_SETTING
        best = number_of_best([self.record(other) for other in run.grid_runs], "dev_f1")
        return None if best is None else GRID[best]

    def counts(self, run: Run) -> dict[str, SentenceCounts]:
        """Counts by sentence of a run that is done, by part and score; InputError if they are damaged."""
        arrays = self.runs.arrays(run.name)
        if any(array.ndim != 2 or len(array) != 3 or array.dtype.kind != "i" for array in arrays.values()):
            raise InputError(f"{self.runs.folder / run.name}.npz: is damaged; remove {run.name}.json, it is done anew")
        return {name: SentenceCounts(*array) for name, array in arrays.items()}

    def features(self, system: str) -> Features | None:
        """What a system reads beside its tokens; those of one system are kept."""
        kind = system.removeprefix("baidu_")
        if kind not in self._features:
            self._features = {kind: self._make_features(kind)}
        return self._features[kind]

    def _make_features(self, kind: str) -> Features | None:
        if kind == "word2vec":
            return WordVectorFeatures(self.models["word2vec"])
        if kind == "elmo_characters":
            return ElmoFeatures(self.models["elmo_characters"], unit="characters")
        if kind.startswith("elmo_layer"):
            return ElmoFeatures(self.models["elmo"], [int(kind[-1])])
        defects = tuple(DEFECTS) if kind == "elmo_lark" else (kind.removeprefix("elmo_"),)
        if kind == "elmo" or set(defects) <= DEFECTS.keys():
            return ElmoFeatures(self.models["elmo"], defects=() if kind == "elmo" else defects)
        return None

    def do(self, job: Run) -> None:
        """Do a run and write its scores."""
        self.report(f"{job.name} ({self._progress()} runs are done)")
        chosen = self.setting(job)
        assert chosen is not None  # it is ready
        self._train(job, chosen)

    def _train(self, run: Run, chosen: dict[str, float]) -> None:
        begun = time.perf_counter()
        features = self.features(run.system)
        seed_everything(run.seed)
        settings, sizes = settings_of(run, chosen, features is not None)
        gold, segmented = self.corpora.sample(run)
        network, reader, vocabulary = self._network(run, features, gold, segmented, sizes)
        train = self._examples(run, reader, features, gold, segmented)
        dev = self._examples(run, reader, features, *self.corpora.get(f"{run.corpus}/dev"), "dev")
        trainer = TaggerTrainer(network, settings, train, dev, vocabulary, report=lambda line: self.report(f"  {line}"))
        history = trainer.run()
        record: dict[str, Any] = {
            **dataclasses.asdict(run),
            "settings": chosen,
            "amp": trainer.settings.amp,
            "models": {name: self.fingerprints[name] for name in run.models if name in self.fingerprints},
            "dev_f1": max(epoch["dev_f1"] for epoch in history),
            "epochs": len(history),
            "tokens_per_second": float(np.median([epoch["tokens_per_second"] for epoch in history])),
        }
        if hasattr(network, "scalar_mix") or network.elmo is not None:
            mix = network.scalar_mix if network.elmo is None else network.elmo.scalar_mix
            record |= mix.describe()
        arrays: dict[str, Any] = {}
        for part in PARTS if run.grid is None else ():
            found = evaluate(network, self._examples(run, reader, features, *self.corpora.get(part), part))
            record[part] = describe(found)
            arrays.update(pack_counts(part, found))
        record["seconds"] = time.perf_counter() - begun
        self.runs.write(run.name, record, arrays or None)
        scores = [f"{part} {100 * record[part]['tagged']['f1']:.2f}" for part in PARTS if part in record]
        told = ", ".join([f"dev {100 * record['dev_f1']:.2f}", *scores])
        self.report(f"{run.name}: F1 {told}; {record['seconds']:,.0f} s")

    def _network(
        self,
        run: Run,
        features: Features | None,
        gold: Sequence[Tagged],
        segmented: Sequence[list[str]],
        sizes: dict[str, Any],
    ) -> tuple[TaggerNetwork, Reader, Vocabulary]:
        """A network with its first parameters, what reads sentences for it, and its vocabulary."""
        if "baidu" in run.models:
            files = self.baidu()
            network = start_from_lac(files, TAGS, features, sizes["dropout"])
            return network, make_reader(network.config, files.vocabulary), files.vocabulary
        vocabulary = make_vocabulary(segmented, run.tokens, gold=gold)
        fine_tune = str(self.models["elmo"]) if run.system == "elmo_fine_tuned" else None
        network, of_elmo = new_network(vocabulary, TAGS, features, fine_tune, sizes, tokens=run.tokens)
        return network, make_reader(network.config, vocabulary, elmo_vocabulary=of_elmo), vocabulary

    def baidu(self) -> LacFiles:
        """Baidu's LAC."""
        return read_lac(self.models["baidu"])

    def _examples(
        self,
        run: Run,
        reader: Reader,
        features: Features | None,
        gold: Sequence[Tagged],
        segmented: Sequence[list[str]],
        part: str = "",
    ) -> Examples:
        """Examples with their vectors, which are computed once for the parts that have a name."""
        examples = make_examples(gold, segmented, reader)
        if features is None:
            return examples
        system = run.system.removeprefix("baidu_")
        if self._vectors[0] != system:
            self._vectors = (system, {})
        if part in self._vectors[1]:
            for sentence, vectors in zip(examples.sentences, self._vectors[1][part], strict=True):
                sentence.vectors = vectors
            return examples
        add_vectors(examples.sentences, features, "float16", lambda line: self.report(f"  {line}"))
        if part:
            self._vectors[1][part] = [sentence.vectors for sentence in examples.sentences]
        return examples


def views(counts: ChunkCounts) -> dict[str, SentenceCounts]:
    """All that is scored."""
    return {
        "tagged": counts.tagged(),
        "segmentation": counts.segmentation(),
        "coarse": counts.collapse(COARSE).tagged(),
        **counts.by_group(_GROUP_OF),
    }


def describe(counts: ChunkCounts) -> dict[str, Any]:
    """Scores of all views."""
    return {name: view.score()._asdict() for name, view in views(counts).items()}


def pack_counts(part: str, counts: ChunkCounts) -> dict[str, Any]:
    """Counts by sentence of the views that are compared, for the bootstrap."""
    return {
        f"{part}/{name}": np.stack([view.gold, view.predicted, view.correct])
        for name, view in views(counts).items()
        if name in ("tagged", "coarse")
    }


def _is_score(scores: Any) -> bool:
    """Whether there are no scores, or all of them."""
    if scores is None:
        return True
    each = [scores.get(name) for name in SCORES] if isinstance(scores, dict) else [None]
    return all(isinstance(score, dict) and isinstance(score.get("f1"), float | int) for score in each)
