"""What does ELMo add to LAC? LARK reported 87.3 -> 88.4 F1; here the experiment is done anew, with its spread.

Taggers are trained on People's Daily and scored on its last two days and, by coarser tags, on Universal Dependencies.
Each run is kept in the work folder, so that the command goes on where it was stopped; several may share the folder:
each takes runs that no other has begun. `--summary` writes lac_*.json into `--results` from the runs that are there.

Both systems are tuned alike: the same number of settings, on the development day, with 2,000 sentences and one seed.
A seed draws the training sentences too, so that the spread over seeds holds that of the sample; systems are compared on
the same samples.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from elmo.corpora.peoples_daily import read_peoples_daily
from elmo.corpora.tagged import COARSE, GROUPS, LAC_TAGS, Tagged, widen_punctuation
from elmo.corpora.universal_dependencies import read_ud
from elmo.encoding.features import ElmoFeatures, Features, WordVectorFeatures
from elmo.encoding.lark_defects import DEFECTS
from elmo.explore.report import write_results
from elmo.runtime import paddle, seed_everything
from elmo.statistics import bootstrap_difference, mean_interval
from elmo.tagging.baidu import LacSentenceReader, start_from_lac
from elmo.tagging.baidu_files import read_lac
from elmo.tagging.examples import Examples, evaluate, make_examples, make_vocabulary, segment_gold
from elmo.tagging.network import TaggerConfig, TaggerInput, TaggerNetwork
from elmo.tagging.score import ChunkCounts, SentenceCounts, oracle
from elmo.tagging.tagger import SentenceReader
from elmo.tagging.train import TaggerTrainer, TrainSettings, train_tagger
from elmo.tasks.run_folder import RunFolder

REPOSITORY = Path(__file__).resolve().parent.parent
TAGS = tuple(LAC_TAGS)
GROUP_OF = {tag: group for group, tags in GROUPS.items() for tag in tags}
DEV_SENTENCES = 500  # of the development day, drawn once: early stopping and tuning look at these
SIZES: dict[str, int | None] = {"500": 500, "2000": 2000, "8000": 8000, "all": None}
EPOCHS = {"500": 25, "2000": 15, "8000": 6, "all": 5}
BATCH = {"500": 32, "2000": 32, "8000": 64, "all": 64}
SEEDS = {"500": 5, "2000": 5, "8000": 5, "all": 3}
ABLATION_SIZE = "500"
ABLATIONS = [
    *("word2vec", "elmo_layer0", "elmo_layer1", "elmo_layer2"),
    *(f"elmo_{defect}" for defect in DEFECTS),
    *("elmo_lark", "elmo_fine_tuned"),
]
TUNING_SEED = 100  # its sample is used for nothing else
GRID = [  # learning rate, dropout, and what only one kind of system has: unknown words, or dropout of the vectors
    {"learning_rate": 1e-3, "dropout": 0.3},
    {"learning_rate": 1e-3, "dropout": 0.5},
    {"learning_rate": 2e-3, "dropout": 0.3},
    {"learning_rate": 2e-3, "dropout": 0.5},
    {"learning_rate": 1e-3, "dropout": 0.3, "other": 0.2},
    {"learning_rate": 2e-3, "dropout": 0.5, "other": 0.2},
]
PARTS = ("pd/test", "ud/test")  # what a baseline and ELMo are scored on; ablations on the first alone
SCORES = ("tagged", "segmentation", "coarse", *GROUPS)


@dataclass(frozen=True)
class Run:
    """One training: which system, on how many sentences, with which seed and settings."""

    system: str
    size: str
    seed: int
    tokens: str = "words"
    corpus: str = "pd"  # People's Daily, or "ud"
    grid: int | None = None  # a setting of the grid, while tuning

    @property
    def name(self) -> str:
        """Of its files."""
        parts = [self.system, self.tokens, self.corpus, self.size, f"seed{self.seed}"]
        return "-".join([*parts, *([] if self.grid is None else [f"grid{self.grid}"])])


def family(system: str) -> str:
    """Whose tuned settings a system takes: all that read vectors of ELMo take ELMo's."""
    return "elmo" if system.startswith("elmo") else system.removesuffix("_elmo")


def parts_of(run: Run) -> Sequence[str]:
    """What a run is scored on."""
    return PARTS if run.system in ("baseline", "elmo") else PARTS[:1]


def planned() -> Iterator[Run]:
    """All runs, the most important first."""
    for system, grid in itertools.product(("baseline", "elmo", "word2vec"), range(len(GRID))):
        yield Run(system, "2000", TUNING_SEED, grid=grid)
    for size in ("500", "2000", "all"):
        for seed, system in itertools.product(range(SEEDS[size]), ("baseline", "elmo")):
            yield Run(system, size, seed)
    for seed, system in itertools.product(range(3), ABLATIONS):
        yield Run(system, ABLATION_SIZE, seed)
    for seed, system in itertools.product(range(SEEDS["8000"]), ("baseline", "elmo")):
        yield Run(system, "8000", seed)
    for seed, system in itertools.product(range(3), ("baidu", "baidu_elmo")):
        yield Run(system, "2000", seed)
    for seed, system in itertools.product(range(3), ("baseline", "elmo")):
        yield Run(system, "all", seed, corpus="ud")
    for size in ("500", "2000"):
        for seed, system in itertools.product(range(SEEDS[size]), ("baseline", "elmo")):
            yield Run(system, size, seed, "characters")


@dataclass
class Corpora:
    """Gold sentences with the segmenter's words, read once."""

    folder: Path
    parts: dict[str, list[Tagged]] = field(default_factory=dict)
    segmented: dict[str, list[list[str]]] = field(default_factory=dict)

    def get(self, name: str) -> tuple[list[Tagged], list[list[str]]]:
        """A part such as "pd/train", "pd/dev", "pd/test", "ud/train", "ud/dev", "ud/test"."""
        if name not in self.parts:
            corpus, part = name.split("/")
            if corpus == "pd":
                sentences = read_peoples_daily(self.folder / "lac/peoples_daily_199801_01-24.txt", (part,))
            elif part == "test":
                sentences = widen_punctuation(read_ud(self.folder / "lac/ud_gsdsimp_dev.conll"))
            else:  # every tenth sentence of the training part is its development part
                sentences = widen_punctuation(read_ud(self.folder / "lac/ud_gsdsimp_train.conll"))
                sentences = [s for index, s in enumerate(sentences) if (index % 10 == 9) == (part == "dev")]
            if part == "dev":
                drawn = np.random.default_rng(0).permutation(len(sentences))[:DEV_SENTENCES]
                sentences = [sentences[index] for index in sorted(drawn)]
            self.parts[name], self.segmented[name] = sentences, segment_gold(sentences)
        return self.parts[name], self.segmented[name]

    def sample(self, run: Run) -> tuple[list[Tagged], list[list[str]]]:
        """The training sentences of a run."""
        sentences, segmented = self.get(f"{run.corpus}/train")
        drawn = np.random.default_rng([1, run.seed]).permutation(len(sentences))[: SIZES[run.size]]
        return [sentences[index] for index in drawn], [segmented[index] for index in drawn]


class Transfer:
    """Runs trainings and keeps their scores."""

    def __init__(self, arguments: argparse.Namespace, console: Console) -> None:
        self.arguments, self.console = arguments, console
        self.corpora = Corpora(arguments.corpora)
        self.work = RunFolder(arguments.work)
        self._vectors: dict[tuple[str, str], list[Any]] = {}

    @cache  # noqa: B019 - lives as long as the process
    def features(self, system: str) -> Features | None:
        """What a system reads beside its tokens."""
        path, kind = self.arguments.elmo, system.removeprefix("baidu_")
        if system == "word2vec":
            return WordVectorFeatures(self.arguments.word2vec)
        if kind == "elmo":
            return ElmoFeatures(path)
        if kind.startswith("elmo_layer"):
            return ElmoFeatures(path, [int(kind[-1])])
        if kind == "elmo_lark":
            return ElmoFeatures(path, defects=tuple(DEFECTS))
        if kind.removeprefix("elmo_") in DEFECTS:
            return ElmoFeatures(path, defects=[kind.removeprefix("elmo_")])
        return None

    def settings(self, run: Run) -> dict[str, Any]:
        """Settings of a run: those of the grid, or the best of its family's."""
        if run.grid is not None:
            return GRID[run.grid]
        tuned = tuned_settings(self.work)
        if run.system.startswith("baidu"):
            return {"learning_rate": 1e-3, "dropout": 0.3}
        return tuned[family(run.system)]

    def train(self, run: Run) -> None:
        """Do a run and write its scores."""
        begun = time.perf_counter()
        chosen = self.settings(run)
        features = self.features(run.system)
        other = chosen.get("other")
        seed_everything(run.seed)
        settings = TrainSettings(
            learning_rate=chosen["learning_rate"],
            batch_size=BATCH[run.size],
            max_epoch=EPOCHS["2000" if run.corpus == "ud" else run.size],
            random_seed=run.seed,
            unknown=other if other is not None and features is None else 0.5,
            embedding_rate=1.0 if run.system.startswith("baidu") else 5.0,
        )
        sizes = {"dropout": chosen["dropout"]}
        if features is not None:
            sizes["feature_dropout"] = 0.5 if other is None else other
        gold, segmented = self.corpora.sample(run)
        dev, dev_segmented = self.corpora.get(f"{run.corpus}/dev")
        make: Callable[[Sequence[Tagged], Sequence[list[str]], str], Examples]
        if run.system.startswith("baidu"):
            files = read_lac(self.arguments.baidu)
            network = start_from_lac(files, TAGS, features, chosen["dropout"])
            make = self._maker(LacSentenceReader(files, network.config), features, run.system)
            train_part, dev_part = make(gold, segmented, ""), make(dev, dev_segmented, "pd/dev")
            trainer = TaggerTrainer(network, settings, train_part, dev_part, None, report=self._log)
        elif run.system == "elmo_fine_tuned":
            tagger = train_tagger(
                gold, dev, tags=TAGS, fine_tune=self.arguments.elmo, settings=settings, sizes=sizes, report=self._log
            )
            network, history = tagger.network, tagger.provenance["history"]
            reader = SentenceReader(tagger.vocabulary, network.config, None, tagger.elmo_vocabulary)
            make = self._maker(reader, None, run.system)
            trainer = None
        else:
            vocabulary = make_vocabulary(segmented, run.tokens)
            config = TaggerConfig(
                TAGS,
                len(vocabulary),
                run.tokens,
                feature_layers=0 if features is None else features.layers,
                feature_size=0 if features is None else features.size,
                **sizes,
            )
            network = TaggerNetwork(config)
            make = self._maker(SentenceReader(vocabulary, config), features, run.system)
            trainer = TaggerTrainer(
                network,
                settings,
                make(gold, segmented, ""),
                make(dev, dev_segmented, f"{run.corpus}/dev"),
                vocabulary,
                report=self._log,
            )
        if trainer is not None:
            history = trainer.run()
        record: dict[str, Any] = {
            **dataclasses.asdict(run),
            "settings": chosen,
            "dev_f1": max(epoch["dev_f1"] for epoch in history),
            "epochs": len(history),
            "tokens_per_second": float(np.median([epoch["tokens_per_second"] for epoch in history])),
        }
        if hasattr(network, "scalar_mix") or network.elmo is not None:
            mix = network.scalar_mix if network.elmo is None else network.elmo.scalar_mix
            record["layer_weights"] = paddle.nn.functional.softmax(mix.weights).tolist()
            record["gamma"] = mix.gamma.item()
        counts: dict[str, Any] = {}
        if run.grid is None:
            for part in parts_of(run):
                examples = make(*self.corpora.get(part), part)
                found = evaluate(network, examples)
                record[part] = describe(found)
                counts.update(pack(part, found))
        record["seconds"] = time.perf_counter() - begun
        self.work.write(run.name, record, counts or None)

    def _maker(
        self, reader: Any, features: Features | None, system: str
    ) -> Callable[[Sequence[Tagged], Sequence[list[str]], str], Examples]:
        """Makes examples; vectors of the parts that every run reads are computed once."""

        def make(gold: Sequence[Tagged], segmented: Sequence[list[str]], part: str) -> Examples:
            examples = make_examples(gold, segmented, reader)
            if features is not None:
                key = (system.removeprefix("baidu_"), part)
                vectors = self._vectors.get(key) if part else None
                if vectors is None:
                    vectors = encode(features, examples.sentences)
                    if part:
                        self._vectors = {k: v for k, v in self._vectors.items() if k[0] == key[0]}
                        self._vectors[key] = vectors
                for sentence, array in zip(examples.sentences, vectors, strict=True):
                    sentence.vectors = array
            return examples

        return make

    def _log(self, line: str) -> None:
        self.console.print(f"  {line}", highlight=False)

    def run(self) -> None:
        """Do the runs that nobody has begun."""
        for run in planned():
            if not self._wanted(run):
                continue
            with self.work.claim(run.name) as is_ours:
                if is_ours and not is_done(self.work, run) and self._is_tuned(run):
                    self.console.print(run.name, highlight=False)
                    self.train(run)

    def _wanted(self, run: Run) -> bool:
        return not self.arguments.only or any(part in run.name for part in self.arguments.only)

    def _is_tuned(self, run: Run) -> bool:
        """Whether a run's settings are known by now."""
        is_free = run.grid is not None or run.system.startswith("baidu")
        return is_free or family(run.system) in tuned_settings(self.work)


def encode(features: Features, sentences: Sequence[TaggerInput]) -> list[Any]:
    """Vectors of sentences, in half precision: some 700 numbers a word."""
    found: list[Any] = []
    for start in range(0, len(sentences), 2048):
        block = [sentence.words for sentence in sentences[start : start + 2048]]
        found += [vectors.astype(np.float16) for vectors in features.encode(block)]
    return found


def views(counts: ChunkCounts) -> dict[str, SentenceCounts]:
    """All that is scored."""
    return {
        "tagged": counts.tagged(),
        "segmentation": counts.segmentation(),
        "coarse": counts.collapse(COARSE).tagged(),
        **counts.by_group(GROUP_OF),
    }


def describe(counts: ChunkCounts) -> dict[str, Any]:
    """Scores of all views."""
    return {name: view.score()._asdict() for name, view in views(counts).items()}


def pack(part: str, counts: ChunkCounts) -> dict[str, Any]:
    """Counts by sentence of the views that are compared, for the bootstrap."""
    return {
        f"{part}/{name}": np.stack([view.gold, view.predicted, view.correct])
        for name, view in views(counts).items()
        if name in ("tagged", "coarse")
    }


def tuned_settings(work: RunFolder) -> dict[str, dict[str, Any]]:
    """The best setting of each system whose grid is complete, by F1 on the development part."""
    found = {}
    for system in ("baseline", "elmo", "word2vec"):
        runs = [Run(system, "2000", TUNING_SEED, grid=grid) for grid in range(len(GRID))]
        records = [record for run in runs if (record := work.read(run.name)) is not None]
        if len(records) == len(runs):
            found[system] = GRID[int(np.argmax([record["dev_f1"] for record in records]))]
    return found


def is_done(work: RunFolder, run: Run) -> bool:
    """Whether a run's record has all scores."""
    record = work.read(run.name)
    return record is not None and (run.grid is not None or all(part in record for part in parts_of(run)))


def load(work: RunFolder, run: Run) -> tuple[dict[str, Any], dict[str, SentenceCounts]] | None:
    """Record and counts of a run that is done."""
    record = work.read(run.name)
    if record is None:
        return None
    counts = work.arrays(run.name) if run.grid is None else {}
    return record, {name: SentenceCounts(*array) for name, array in counts.items()}


def row(
    work: RunFolder, system: str, size: str, tokens: str, corpus: str, part: str, score: str, base: str = "baseline"
) -> dict[str, Any] | None:
    """Mean and interval of a system over its seeds, and how it differs from another on the same seeds."""
    own, others = [], []
    for seed in range(SEEDS[size] if corpus == "pd" else 3):
        mine, other = (load(work, Run(name, size, seed, tokens, corpus)) for name in (system, base))
        if mine is not None and part in mine[0]:
            own.append((seed, *mine))
            others.append(other if other is not None and part in other[0] else None)
    if not own:
        return None
    values = [100 * record[part][score]["f1"] for _, record, _ in own]
    result: dict[str, Any] = {"system": system, "size": size, "tokens": tokens, "trained_on": corpus, "scored_on": part}
    result |= {"score": score, "seeds": len(values), "f1": values, "mean": float(np.mean(values))}
    if len(values) > 1:
        result["interval"] = mean_interval(values).interval
    if system != base and all(other is not None for other in others):
        differences = [
            value - 100 * other[0][part][score]["f1"] for value, other in zip(values, others, strict=True) if other
        ]
        result |= {"against": base, "difference": float(np.mean(differences)), "differences": differences}
        if len(differences) > 1:
            result["difference_interval"] = mean_interval(differences).interval
        key = f"{part}/{score}"
        if all(key in counts for _, _, counts in own):
            boot = bootstrap_difference(
                [other[1][key] for other in others if other], [counts[key] for _, _, counts in own], 5000
            )
            result["bootstrap"] = {"low": 100 * boot.low, "high": 100 * boot.high, "p_value": boot.p_value}
    if "layer_weights" in own[0][1]:
        result["layer_weights"] = np.mean([record["layer_weights"] for _, record, _ in own], axis=0).tolist()
        result["gamma"] = float(np.mean([record["gamma"] for _, record, _ in own]))
    result["groups"] = {
        name: float(np.mean([100 * record[part][name]["f1"] for _, record, _ in own])) for name in SCORES
    }
    return result


def summary(transfer: Transfer, results: Path) -> None:
    """Write what is there."""
    work = transfer.work
    tuning = []
    for system in ("baseline", "elmo", "word2vec"):
        for grid, setting in enumerate(GRID):
            found = load(work, Run(system, "2000", TUNING_SEED, grid=grid))
            if found is not None:
                tuning.append({"system": system, "setting": setting, "dev_f1": 100 * found[0]["dev_f1"]})
    limits = {}
    for part in PARTS:
        gold, segmented = transfer.corpora.get(part)
        words, tags = [s.words for s in gold], [s.tags for s in gold]
        counts = oracle(words, tags, segmented)
        limits[part] = {"sentences": len(gold), "words": sum(map(len, words)), "best_possible": describe(counts)}
    sizes = {size: len(transfer.corpora.get("pd/train")[0]) if n is None else n for size, n in SIZES.items()}
    common = {
        "elmo": Path(transfer.arguments.elmo).name,
        "sentences": sizes,
        "tokenisation": limits,
        "tuning": tuning,
    }
    tables: dict[str, list[dict[str, Any] | None]] = {"lac_transfer": [], "lac_ablations": [], "lac_baidu": []}
    for corpus, tokens, size in itertools.product(("pd", "ud"), ("words", "characters"), SIZES):
        for system in ("baseline", "elmo"):
            for part, score in (("pd/test", "tagged"), ("ud/test", "coarse"), ("ud/test", "tagged")):
                tables["lac_transfer"].append(row(work, system, size, tokens, corpus, part, score))
    for system in ("baseline", "elmo", *ABLATIONS):
        against_elmo = row(work, system, ABLATION_SIZE, "words", "pd", "pd/test", "tagged", "elmo")
        tables["lac_ablations"].append(against_elmo)
    for system in ("baidu", "baidu_elmo"):
        tables["lac_baidu"].append(row(work, system, "2000", "words", "pd", "pd/test", "tagged", "baidu"))
    untrained = "baidu_untrained"
    if transfer.arguments.baidu and not work.done(untrained):
        files = read_lac(transfer.arguments.baidu)
        network = start_from_lac(files, TAGS)
        examples = make_examples(*transfer.corpora.get("pd/test"), LacSentenceReader(files, network.config))
        work.write(untrained, describe(evaluate(network, examples)))
    extra = {"untrained": work.read(untrained)} if work.done(untrained) else {}
    for name, rows in tables.items():
        more = extra if name == "lac_baidu" else {}
        write_results(results / f"{name}.json", {**common, "rows": [found for found in rows if found], **more})
        transfer.console.print(f"{results / name}.json: {sum(found is not None for found in rows)} rows")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, default=REPOSITORY.parent / "shared/corpora", help="the public corpora")
    parser.add_argument("--elmo", default="elmo-zh-small", help="the pretrained ELMo")
    parser.add_argument("--word2vec", default="word2vec-zh-small", help="word2vec of the same text")
    parser.add_argument("--baidu", type=Path, help="folder of Baidu's LAC, for the runs that start from it")
    parser.add_argument("--work", default="lac_transfer_runs", help="where runs are kept")
    parser.add_argument("--only", nargs="*", help="only runs whose names contain one of these")
    parser.add_argument("--results", type=Path, required=True, help="folder of the results files")
    parser.add_argument("--summary", action="store_true", help="train nothing, write the results of the runs there are")
    arguments = parser.parse_args()
    transfer = Transfer(arguments, Console(width=120))
    if not arguments.summary:
        transfer.run()
    summary(transfer, arguments.results)


if __name__ == "__main__":
    main()
