"""What runs the experiment of the five tasks consists of, and how much each computes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

from elmo.checks import check_whole
from elmo.corpora.tasks import SetSizes
from elmo.errors import InputError

BASELINE = "none"  # name of the network that reads no encoder
FROZEN, FINE_TUNED = "frozen", "fine_tuned"
GRID = (
    {"learning_rate": 1e-3, "dropout": 0.2},
    {"learning_rate": 3e-3, "dropout": 0.2},
    {"learning_rate": 3e-3, "dropout": 0.5},
)
FINE_TUNING_GRID = ({"learning_rate": 1e-4}, {"learning_rate": 4e-4})


@dataclass(frozen=True)
class ExperimentSettings:
    """How much is computed; defaults are those of the published results."""

    sizes: SetSizes = field(default_factory=SetSizes)
    seeds: int = 5
    max_epoch: int = 6
    patience: int = 2
    batch_size: int = 32
    fine_tuned_seeds: int = 3  # 0 for none
    fine_tuned_train: int = 640  # the first so many training examples: an encoder's gradients take long
    fine_tuned_dev: int = 250
    fine_tuned_epochs: int = 2
    fine_tuned_batch_size: int = 16

    def __post_init__(self) -> None:
        check_whole(self, "fine_tuned_seeds", least=0)
        others = (field.name for field in dataclasses.fields(self))
        check_whole(self, *(name for name in others if name not in ("sizes", "fine_tuned_seeds")))
        if self.fine_tuned_seeds > self.seeds:
            raise InputError(
                f"fine_tuned_seeds is {self.fine_tuned_seeds}, seeds {self.seeds}: a fine-tuned run goes on from the "
                "frozen one of its seed, so give no more of them"
            )


@dataclass(frozen=True)
class Group:
    """Runs that read the same texts with the same encoder, so that vectors are computed once."""

    data: str
    encoder: str
    mode: str

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.data}-{self.encoder}-{self.mode}"

    def tuning(self, grid: int) -> str:
        """Name of a run that tries a setting of the grid."""
        return f"{self.name}-grid{grid}"

    def run(self, seed: int) -> str:
        """Name of a run."""
        return f"{self.name}-seed{seed}"


def grid_of(mode: str) -> tuple[dict[str, float], ...]:
    """Settings that are tried for every encoder."""
    return GRID if mode == FROZEN else FINE_TUNING_GRID


def parse_encoders(given: Sequence[str]) -> dict[str, str]:
    """Names and models from `name=path`; InputError says which is none."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise InputError(f"encoder {text!r}: give name=path, such as elmo=elmo-zh-small")
        if name in found:
            raise InputError(f"encoder {text!r}: {name} is given twice; choose another name")
        found[name] = path
    return found
