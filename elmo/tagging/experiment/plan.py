"""What runs the experiment consists of: systems, numbers of sentences, seeds, and the settings that are tried.

Every family of systems is tuned alike: the same number of settings, on the development day, with 2,000 sentences and a
seed that is used for nothing else. A seed draws the training sentences too, so that the spread over seeds holds that of
the sample; systems are compared on the same samples.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from elmo.corpora.tagged import LAC_TAGS, TAG_GROUPS
from elmo.encoding.lark_defects import DEFECTS
from elmo.experiment import TUNING_SEED
from elmo.tagging.train import TrainSettings

TAGS = tuple(LAC_TAGS)
SIZES: dict[str, int | None] = {"500": 500, "2000": 2000, "8000": 8000, "all": None}  # training sentences
EPOCHS = {"500": 25, "2000": 15, "8000": 6, "all": 5}
BATCH = {"500": 32, "2000": 32, "8000": 64, "all": 64}
SEEDS = {"500": 5, "2000": 5, "8000": 5, "all": 3}
FEW_SEEDS = 3  # of what stands beside the main table
FAMILIES = ("baseline", "word2vec", "elmo", "elmo_characters")  # each has settings of its own, and a row in the table
ABLATIONS = (
    *("elmo_layer0", "elmo_layer1", "elmo_layer2"),
    *(f"elmo_{defect}" for defect in DEFECTS),
    *("elmo_lark", "elmo_fine_tuned"),
)
ABLATION_SIZES = ("500", "8000")
MIXED_SIZES = ("2000", "8000", "all")  # 500 sentences have ten words that are frequent enough to stay whole
BAIDU = ("baidu", "baidu_elmo")  # go on from Baidu's own parameters
TOKENS = "characters"  # of the main table
TUNING_SIZE = "2000"
GRID: tuple[dict[str, float], ...] = (
    {"learning_rate": 1e-3, "dropout": 0.3},
    {"learning_rate": 1e-3, "dropout": 0.5},
    {"learning_rate": 2e-3, "dropout": 0.3},
    {"learning_rate": 2e-3, "dropout": 0.5},
    # What only one kind of system has: the share of unknown words, or the dropout of the vectors.
    {"learning_rate": 1e-3, "dropout": 0.3, "other": 0.2},
    {"learning_rate": 2e-3, "dropout": 0.5, "other": 0.2},
)
BAIDU_SETTING = {"learning_rate": 1e-3, "dropout": 0.3}
PARTS = ("pd/test", "ud/test")  # what a run is scored on: People's Daily's last two days, Universal Dependencies
SCORES = ("tagged", "segmentation", "coarse", *TAG_GROUPS)


@dataclass(frozen=True)
class Run:
    """One training: which system, on how many sentences, with which seed and settings."""

    system: str
    size: str
    seed: int
    tokens: str = TOKENS  # of those that start from Baidu's parameters: those of their vectors
    corpus: str = "pd"  # People's Daily
    grid: int | None = None  # a setting of the grid, while tuning

    @property
    def name(self) -> str:
        """Of its files."""
        parts = [self.system, self.tokens, self.corpus, self.size, f"seed{self.seed}"]
        return "-".join([*parts, *([] if self.grid is None else [f"grid{self.grid}"])])

    @property
    def family(self) -> str:
        """Whose tuned settings it takes: all that read vectors of an ELMo of words take its settings."""
        is_elmo = self.system.startswith("elmo") and self.system != "elmo_characters"
        return "elmo" if is_elmo else self.system

    @property
    def models(self) -> tuple[str, ...]:
        """Pretrained models that it needs."""
        if self.system in BAIDU:
            return ("baidu", "elmo")[: 1 + (self.system == "baidu_elmo")]
        return () if self.family == "baseline" else (self.family,)

    @property
    def grid_runs(self) -> list[Run]:
        """The runs whose best setting it takes."""
        if self.grid is not None or self.system in BAIDU:
            return []
        return grid_of(self.family)


def grid_of(family: str) -> list[Run]:
    """The runs that tune a family."""
    return [Run(family, TUNING_SIZE, TUNING_SEED, grid=grid) for grid in range(len(GRID))]


def planned() -> Iterator[Run]:
    """All runs, the most important first, each once."""
    for family in FAMILIES:
        yield from grid_of(family)
    for seed, size, system in itertools.product(range(max(SEEDS.values())), SIZES, FAMILIES):
        if seed < SEEDS[size]:
            yield Run(system, size, seed)
    for size, seed, system in itertools.product(ABLATION_SIZES, range(FEW_SEEDS), ABLATIONS):
        yield Run(system, size, seed)
    for seed, system in itertools.product(range(FEW_SEEDS), BAIDU):
        yield Run(system, "all", seed, "words")
    for seed, size, system in itertools.product(range(max(SEEDS.values())), ("500", "all"), ("baseline", "elmo")):
        if seed < SEEDS[size]:
            yield Run(system, size, seed, "words")
    for seed, size, system in itertools.product(range(FEW_SEEDS), MIXED_SIZES, ("baseline", "elmo")):
        yield Run(system, size, seed, "mixed")


def settings_of(run: Run, chosen: dict[str, Any], reads_vectors: bool) -> tuple[TrainSettings, dict[str, Any]]:
    """Settings of a training, and sizes of its network, from a setting of the grid."""
    other = chosen.get("other")
    settings = TrainSettings(
        learning_rate=chosen["learning_rate"],
        batch_size=BATCH[run.size],
        max_epoch=EPOCHS[run.size],
        random_seed=run.seed,
        unknown=0.5 if other is None or reads_vectors else other,
        embedding_rate=1.0 if run.system in BAIDU else 5.0,
        amp="auto",
    )
    sizes = {"dropout": chosen["dropout"]}
    if reads_vectors:
        sizes["feature_dropout"] = 0.5 if other is None else other
    return settings, sizes
