"""The five tasks with every encoder, frozen and fine-tuned: each run is done once, and leaves a record.

Every encoder has the same tuning: the same grid, on the development part, with a seed that is used for nothing else.
A fine-tuned run goes on from the frozen run of its seed: a head that is still random would spoil the encoder in its
first steps (Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features"), and both modes are compared in pairs.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from elmo.corpora.own_tasks import OWN_SETS, read_own
from elmo.corpora.tasks import PUBLIC_SETS, TaskData, read_public
from elmo.encoding.text_encoders import TextEncoder, load_text_encoder, parameters_of
from elmo.errors import InputError
from elmo.experiment import TUNING_SEED, Experiment, number_of_best
from elmo.models import load_parameters
from elmo.runtime import seed_everything
from elmo.system.project import project_data
from elmo.system.types import Arrays, PathLike
from elmo.tasks.fit import fit, outcomes
from elmo.tasks.material import SOLVERS, Material, primary
from elmo.tasks.network import FrozenVectors
from elmo.tasks.plan import BASELINE, FINE_TUNED, FROZEN, ExperimentSettings, Group, grid_of
from elmo.training.early_stopping import FitSettings


class TasksExperiment(Experiment[Group]):
    """Runs of all encoders on all sets.

    Args:
        encoders: names, and the name or path of each one's model; the baseline without an encoder comes by itself.
        work: folder of the runs; several processes may share it.
        settings: how much.
        corpora: folder of the public sets; None for our own.
        data: folder of our own sets; None for the project's.
        sets: which of them; None for all.
        report: is told of what is done.

    Raises:
        InputError: a name or path is none, or the folder holds runs of another experiment.
    """

    def __init__(
        self,
        encoders: Mapping[str, PathLike],
        work: PathLike,
        settings: ExperimentSettings | None = None,
        *,
        corpora: PathLike | None = None,
        data: PathLike | None = None,
        sets: Sequence[str] | None = None,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        for name in encoders:
            if not name.replace("_", "").isalnum() or name == BASELINE:
                raise InputError(f"an encoder is named {name!r}: give letters, digits and _, and not {BASELINE!r}")
        known = OWN_SETS if corpora is None else PUBLIC_SETS
        self.sets = tuple(known if sets is None else sets)
        if odd := [name for name in self.sets if name not in known]:
            raise InputError(f"the set {odd[0]!r} is unknown: give some of {', '.join(known)}")
        self.settings = settings or ExperimentSettings()
        self.encoders = {BASELINE: None, **encoders}
        super().__init__(work, self.encoders, report)
        self._sets_folder = corpora or data or project_data("tasks")
        self._read = read_own if corpora is None else read_public
        self._data: dict[str, TaskData] = {}
        self._loaded: tuple[str, TextEncoder | None] = (BASELINE, None)
        self._trainable: dict[str, bool] = {}  # what `can_be_fine_tuned` has found
        self._pretrained: dict[str, Arrays] = {}  # parameters of encoders that fine-tuning has changed

    def data(self, name: str) -> TaskData:
        """A set, read once."""
        if name not in self._data:
            self._data[name] = self._read(self._sets_folder, name, self.settings.sizes)
        return self._data[name]

    def identity(self, group: Group) -> dict[str, Any]:
        """What a group's runs depend on."""
        settings = {
            name: value
            for name, value in dataclasses.asdict(self.settings).items()
            if "seeds" not in name and (group.mode == FINE_TUNED or not name.startswith(FINE_TUNED))
        }
        return {
            "data": self.data(group.data).fingerprint,
            "encoder": self.fingerprints[group.encoder],
            "grid": list(grid_of(group.mode)),
            **settings,
        }

    def open_all(self) -> None:
        """Read all sets, and load all encoders once."""
        for name in self.sets:
            self.data(name)
        for name in self.encoders:
            self.encoder(name)

    def jobs(self) -> Iterator[Group]:
        """All groups: the frozen ones first, set by set."""
        for data in self.sets:
            for encoder in self.encoders:
                yield Group(data, encoder, FROZEN)
        if self.settings.fine_tuned_seeds:
            for data in self.sets:
                for encoder in self.encoders:
                    if encoder != BASELINE and self.can_be_fine_tuned(encoder):
                        yield Group(data, encoder, FINE_TUNED)

    def can_be_fine_tuned(self, name: str) -> bool:
        """Whether an encoder has parameters that a task may change: word2vec has none, nor what reads characters."""
        path = self.encoders[name]
        if name not in self._trainable:
            self._trainable[name] = path is not None and self.encoder(name).trainable is not None  # type: ignore[union-attr]
        return self._trainable[name]

    def encoder(self, name: str) -> TextEncoder | None:
        """An encoder, loaded; of several only the last one asked for is kept."""
        path = self.encoders[name]
        if self._loaded[0] != name:
            self._loaded = (name, None if path is None else load_text_encoder(path))
        return self._loaded[1]

    def names(self, group: Group) -> list[str]:
        """Names of all runs of a group."""
        tuning = [group.tuning(number) for number in range(len(grid_of(group.mode)))]
        return [*tuning, *(group.run(seed) for seed in range(self._seeds(group)))]

    def finished(self, job: Group) -> bool:
        """Whether all runs of a group are done, by this experiment."""
        done = [name for name in self.names(job) if self.runs.done(name)]
        if done:
            record = self.runs.read(done[0]) or {}
            self.check_same(done[0], record.get("identity", {}), self.identity(job), "--work folder")
        return len(done) == len(self.names(job))

    def is_ready(self, job: Group) -> bool:
        """Whether the frozen runs are done from which a group of fine-tuned ones goes on."""
        return job.mode == FROZEN or self.finished(dataclasses.replace(job, mode=FROZEN))

    def do(self, job: Group) -> None:
        """Do the runs of a group that are not done."""
        begun = time.process_time()
        encoder = self.encoder(job.encoder)
        material = Material.read(self.data(job.data), encoder)
        if job.mode == FROZEN:
            material.texts.freeze()
        self.report(f"{job.name}: texts read in {time.process_time() - begun:.1f} s of CPU")
        try:
            for number, setting in enumerate(grid_of(job.mode)):
                if not self.runs.done(job.tuning(number)):
                    self._train(job, job.tuning(number), material, setting, TUNING_SEED)
            best = grid_of(job.mode)[self._best_number(job)]
            for seed in range(self._seeds(job)):
                if not self.runs.done(job.run(seed)):
                    self._train(job, job.run(seed), material, best, seed)
        finally:
            if job.mode == FINE_TUNED:  # has changed the encoder: who needs it next loads it anew
                self._loaded = (BASELINE, None)

    def _best_number(self, group: Group) -> int:
        """Number of the setting with the best score on the development part."""
        best = number_of_best([self.runs.read(group.tuning(n)) for n in range(len(grid_of(group.mode)))], "dev")
        assert best is not None  # they are tried before anything asks
        return best

    def _seeds(self, group: Group) -> int:
        return self.settings.seeds if group.mode == FROZEN else self.settings.fine_tuned_seeds

    def _train(self, group: Group, name: str, material: Material, setting: Mapping[str, float], seed: int) -> None:
        """Do one run and write its record; a tuning run does not look at the test part."""
        begun = time.perf_counter()
        computed = time.process_time()
        tuning = seed == TUNING_SEED
        encoder = self.encoder(group.encoder)
        seed_everything(seed)
        if group.mode == FROZEN:
            network = material.network(setting["dropout"], material.texts.vectors)
        else:
            network = self._start(group, material, encoder, seed)
        history = self._fit(group, network, material, setting, seed, lambda line: self.report(f"  {name}: {line}"))
        record: dict[str, Any] = {
            "data": group.data,
            "task": material.data.task,
            "encoder": group.encoder,
            "mode": group.mode,
            "seed": seed,
            "setting": dict(setting),
            "dev": max(epoch["dev"] for epoch in history),
            "history": history,
        }
        if hasattr(network, "scalar_mix"):
            record |= network.scalar_mix.describe()
        arrays: dict[str, Any] = {}
        if not tuning:
            arrays["outcomes"] = outcomes(network, material.test)
            record["scores"] = SOLVERS[material.data.task].score(arrays["outcomes"])
        if group.mode == FROZEN and self.can_be_fine_tuned(group.encoder):  # for the run that goes on from this one
            arrays |= {f"network.{key}": value.numpy() for key, value in network.named_parameters()}
            arrays["scales"] = np.array(material.texts.vectors.scales if material.texts.vectors else [])
        record["seconds"] = time.perf_counter() - begun
        record["cpu_seconds"] = time.process_time() - computed
        record["identity"] = self.identity(group)
        self.runs.write(name, record, arrays)
        shown = "" if tuning else f", test {100 * record['scores'][primary(material.data.task)]:.2f}"
        self.report(f"{name}: dev {100 * record['dev']:.2f}{shown}, {record['cpu_seconds']:.1f} s of CPU")

    def _fit(
        self,
        group: Group,
        network: Any,
        material: Material,
        setting: Mapping[str, float],
        seed: int,
        report: Callable[[str], None],
    ) -> list[dict[str, Any]]:
        """Train a network, on as much as the mode asks for; a record an epoch."""
        settings = self.settings
        if group.mode == FROZEN:
            train, dev = material.train, material.dev
            epochs, batch_size = settings.max_epoch, settings.batch_size
        else:
            train, dev = material.train[: settings.fine_tuned_train], material.dev[: settings.fine_tuned_dev]
            epochs, batch_size = settings.fine_tuned_epochs, settings.fine_tuned_batch_size
        fit_settings = FitSettings(
            learning_rate=setting["learning_rate"],
            batch_size=material.batch_size(batch_size),
            max_epoch=epochs,
            patience=settings.patience,
            random_seed=seed,
        )
        keep_start = group.mode == FINE_TUNED
        return fit(network, train, dev, fit_settings, material.score, report, keep_start=keep_start)

    def _start(self, group: Group, material: Material, encoder: TextEncoder | None, seed: int) -> Any:
        """A network with the parameters of its frozen run, and the encoder's own as they were pretrained."""
        assert encoder is not None
        frozen = dataclasses.replace(group, mode=FROZEN)
        tuned = self._best_number(frozen)
        arrays = self.runs.arrays(frozen.tuning(tuned) if seed == TUNING_SEED else frozen.run(seed))
        pretrained = self._pretrained.setdefault(group.encoder, parameters_of(encoder.trainable))
        load_parameters(encoder.trainable, pretrained, group.encoder)
        scales = arrays["scales"].tolist()
        nothing = FrozenVectors(np.empty([len(scales), 0, encoder.size], np.float16), scales)
        network = material.network(grid_of(FROZEN)[tuned]["dropout"], nothing, encoder)
        head = {key.removeprefix("network."): value for key, value in arrays.items() if key.startswith("network.")}
        load_parameters(network, head | {f"encoder.{key}": value for key, value in pretrained.items()}, group.name)
        return network
