"""Experiments of many runs: each is done once, by whichever process begins it first, and leaves a record."""

from __future__ import annotations

import abc
import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from elmo.errors import InputError
from elmo.models import find_model
from elmo.statistics import load_student_quantile
from elmo.system.run_folder import RunFolder
from elmo.system.types import PathLike

TUNING_SEED = 100  # of the runs that try settings: it is used for nothing else


class Job(Protocol):
    """What one process does in one go: a run, or several that share what they read."""

    @property
    def name(self) -> str:
        """By which processes claim it."""
        ...


J = TypeVar("J", bound=Job)


class Experiment(abc.ABC, Generic[J]):
    """Does the jobs that are not done yet; a subclass says which there are, and how one is done.

    Args:
        work: folder of the runs; several processes may share it.
        models: names or paths of pretrained models, by the experiment's own names for them; None stands for none.
        report: is told of what is done.

    Raises:
        InputError: there is no such model, or the folder can't be made.
    """

    seconds_to_wait = 2.0  # between two looks at what other processes do

    def __init__(self, work: PathLike, models: Mapping[str, PathLike | None], report: Callable[[str], None]) -> None:
        load_student_quantile()  # which the summary needs: not to be missed after hours of training
        self.fingerprints = {name: path and _fingerprint(path) for name, path in models.items()}
        self.runs = RunFolder(work)
        self.report = report

    @abc.abstractmethod
    def open_all(self) -> None:
        """Open what the jobs need: what can't be opened is told before hours of training."""

    @abc.abstractmethod
    def jobs(self) -> Iterable[J]:
        """All jobs, in the order in which they are done."""

    @abc.abstractmethod
    def finished(self, job: J) -> bool:
        """Whether a job has left its records; InputError where they are of another experiment."""

    @abc.abstractmethod
    def is_ready(self, job: J) -> bool:
        """Whether all is done that a job goes on from, such as the choice of its settings."""

    def why_never(self, job: J) -> str:
        """Why a job that is not ready will not be; empty where somebody does what it waits for."""
        return ""

    @abc.abstractmethod
    def do(self, job: J) -> None:
        """Do a job that is ready, and write its records."""

    def run(self) -> None:
        """Do what nobody has done or is doing; wait for what others do only where work depends on it."""
        self.open_all()
        left_out: set[str] = set()
        while self._pass_through(left_out):
            time.sleep(self.seconds_to_wait)

    def _pass_through(self, left_out: set[str]) -> bool:
        """Do what can be done now; whether something waits for another process. Adds what will never be ready."""
        waits = False
        for job in self.jobs():
            if self.finished(job) or job.name in left_out:
                continue
            if self.is_ready(job):
                with self.runs.claim(job.name) as is_ours:
                    if is_ours and not self.finished(job):
                        self.do(job)
            elif reason := self.why_never(job):
                left_out.add(job.name)
                self.report(f"{job.name} is left out: {reason}")
            else:
                waits = True
        return waits

    def check_same(self, run: str, was: Mapping[str, Any], now: Mapping[str, Any], instead: str) -> None:
        """InputError where a run was computed with something else than what is given now.

        Args:
            run: its name.
            was, now: what it was computed with, and what there is now, by name.
            instead: what else may be given, for the message.
        """
        if changed := next((name for name in now if was.get(name) != now[name]), None):
            place = self.runs.folder / f"{run}.json"
            raise InputError(f"{place} was computed with another {changed}: give the same, or another {instead}")


def number_of_best(records: Sequence[dict[str, Any] | None], score: str) -> int | None:
    """Which setting of a grid has the best score, of equal ones the first; None while a record of one is missing.

    Args:
        records: of the runs that tried the settings, in the grid's order.
        score: which field of a record is the score.
    """
    scores = [record[score] for record in records if record is not None]
    return int(np.argmax(scores)) if len(scores) == len(records) else None


def _fingerprint(path_or_name: PathLike) -> str:
    """SHA-256, in hexadecimal, of the files of a model, without loading it; raises as `find_model`."""
    path = Path(path_or_name)
    path = path if path.is_file() else find_model(path_or_name)
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(path.iterdir()):
        if file.is_file():
            digest.update(file.name.encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()
