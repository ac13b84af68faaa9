"""The five tasks with every encoder, frozen and fine-tuned: each run is done once, and leaves a record.

Every encoder has the same tuning: the same grid, on the development part, with a seed that is used for nothing else.
A fine-tuned run goes on from the frozen run of its seed: a head that is still random would spoil the encoder in its
first steps (Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features"), and both modes are compared in pairs.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from elmo.corpora.own_tasks import OWN_SETS, read_own
from elmo.corpora.tasks import PUBLIC_SETS, TaskData, read_public
from elmo.encoding.text_encoders import TextEncoder, file_fingerprint, load_text_encoder, parameters_of
from elmo.errors import InputError
from elmo.models import load_parameters
from elmo.runtime import paddle, seed_everything
from elmo.statistics import load_student_quantile
from elmo.system.project import project_data
from elmo.system.run_folder import RunFolder
from elmo.system.types import PathLike
from elmo.tasks.fit import fit, outcomes
from elmo.tasks.material import SOLVERS, Material, primary
from elmo.tasks.network import FrozenVectors
from elmo.tasks.plan import BASELINE, FINE_TUNED, FROZEN, TUNING_SEED, ExperimentSettings, Group, grid_of
from elmo.training.early_stopping import FitSettings

_WAIT = 2.0  # seconds between two looks at what another process does


class Experiment:
    """Does the runs that are not done yet.

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
        load_student_quantile()  # which the summary needs: not to be missed after hours of training
        for name in encoders:
            if not name.replace("_", "").isalnum() or name == BASELINE:
                raise InputError(f"an encoder is named {name!r}: give letters, digits and _, and not {BASELINE!r}")
        known = OWN_SETS if corpora is None else PUBLIC_SETS
        self.sets = tuple(known if sets is None else sets)
        if odd := [name for name in self.sets if name not in known]:
            raise InputError(f"the set {odd[0]!r} is unknown: give some of {', '.join(known)}")
        self.settings = settings or ExperimentSettings()
        self.encoders = {BASELINE: None, **encoders}
        self.fingerprints = {name: path and file_fingerprint(path) for name, path in self.encoders.items()}
        self.runs, self.report = RunFolder(work), report
        self._sets_folder = corpora or data or project_data("tasks")
        self._read = read_own if corpora is None else read_public
        self._data: dict[str, TaskData] = {}
        self._loaded: tuple[str, TextEncoder | None] = (BASELINE, None)

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

    def groups(self) -> Iterator[Group]:
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

    @cached_property
    def _trainable(self) -> dict[str, bool]:
        return {}

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

    def finished(self, group: Group) -> bool:
        """Whether all runs of a group are done, by this experiment."""
        done = [name for name in self.names(group) if self.runs.done(name)]
        if done:
            of_run, now = (self.runs.read(done[0]) or {}).get("identity", {}), self.identity(group)
            if changed := next((name for name in now if of_run.get(name) != now[name]), None):
                raise InputError(
                    f"{self.runs.folder / done[0]}.json was computed with another {changed}: give the same, or another "
                    "--work folder"
                )
        return len(done) == len(self.names(group))

    def run(self) -> None:
        """Do what nobody has done or is doing; wait for what others do only where work depends on it."""
        # What can't be opened is told before hours of training.
        for name in self.sets:
            self.data(name)
        for name in self.encoders:
            self.encoder(name)
        while True:
            waiting = False
            for group in self.groups():
                if self.finished(group):
                    continue
                if group.mode == FINE_TUNED and not self._has_start(group):
                    waiting = True
                    continue
                with self.runs.claim(group.name) as mine:
                    if mine and not self.finished(group):
                        self.do(group)
            if not waiting:
                return
            time.sleep(_WAIT)

    def _has_start(self, group: Group) -> bool:
        """Whether the frozen runs are done from which a group of fine-tuned ones goes on."""
        return self.finished(dataclasses.replace(group, mode=FROZEN))

    def do(self, group: Group) -> None:
        """Do the runs of a group that are not done."""
        begun = time.process_time()
        encoder = self.encoder(group.encoder)
        material = Material.read(self.data(group.data), encoder)
        if group.mode == FROZEN:
            material.texts.freeze()
        self.report(f"{group.name}: texts read in {time.process_time() - begun:.1f} s of CPU")
        try:
            for number, setting in enumerate(grid_of(group.mode)):
                if not self.runs.done(group.tuning(number)):
                    self._train(group, group.tuning(number), material, setting, TUNING_SEED)
            best = self.best_setting(group)
            for seed in range(self._seeds(group)):
                if not self.runs.done(group.run(seed)):
                    self._train(group, group.run(seed), material, best, seed)
        finally:
            if group.mode == FINE_TUNED:  # has changed the encoder: who needs it next loads it anew
                self._loaded = (BASELINE, None)

    def best_number(self, group: Group) -> int:
        """Number of the setting with the best score on the development part; of equal ones the first."""
        records = [self.runs.read(group.tuning(number)) or {} for number in range(len(grid_of(group.mode)))]
        return int(np.argmax([record["dev"] for record in records]))

    def best_setting(self, group: Group) -> dict[str, float]:
        """The setting of the grid with the best score on the development part."""
        return dict(grid_of(group.mode)[self.best_number(group)])

    def _seeds(self, group: Group) -> int:
        return self.settings.seeds if group.mode == FROZEN else self.settings.fine_tuned_seeds

    def _train(self, group: Group, name: str, material: Material, setting: Mapping[str, float], seed: int) -> None:
        """Do one run and write its record; a tuning run does not look at the test part."""
        begun, computed, settings = time.perf_counter(), time.process_time(), self.settings
        tuning = seed == TUNING_SEED
        encoder = self.encoder(group.encoder)
        seed_everything(seed)
        if group.mode == FROZEN:
            network = material.network(setting["dropout"], material.texts.vectors)
            train, dev = material.train, material.dev
            epochs, batch_size = settings.max_epoch, settings.batch_size
        else:
            network = self._start(group, material, encoder, seed)
            train, dev = material.train[: settings.fine_tuned_train], material.dev[: settings.fine_tuned_dev]
            epochs, batch_size = settings.fine_tuned_epochs, settings.fine_tuned_batch_size
        fit_settings = FitSettings(
            learning_rate=setting["learning_rate"],
            batch_size=material.batch_size(batch_size),
            max_epoch=epochs,
            patience=settings.patience,
            random_seed=seed,
        )
        history = fit(
            network,
            train,
            dev,
            fit_settings,
            material.score,
            lambda line: self.report(f"  {name}: {line}"),
            keep_start=group.mode == FINE_TUNED,
        )
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
            record["layer_weights"] = paddle.nn.functional.softmax(network.scalar_mix.weights).tolist()
            record["gamma"] = network.scalar_mix.gamma.item()
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

    def _start(self, group: Group, material: Material, encoder: TextEncoder | None, seed: int) -> Any:
        """A network with the parameters of its frozen run, and the encoder's own as they were pretrained."""
        assert encoder is not None
        frozen = dataclasses.replace(group, mode=FROZEN)
        tuned = self.best_number(frozen)
        arrays = self.runs.arrays(frozen.tuning(tuned) if seed == TUNING_SEED else frozen.run(seed))
        pretrained = self._pretrained.setdefault(group.encoder, parameters_of(encoder.trainable))
        load_parameters(encoder.trainable, pretrained, group.encoder)
        scales = arrays["scales"].tolist()
        nothing = FrozenVectors(np.empty([len(scales), 0, encoder.size], np.float16), scales)
        network = material.network(grid_of(FROZEN)[tuned]["dropout"], nothing, encoder)
        head = {key.removeprefix("network."): value for key, value in arrays.items() if key.startswith("network.")}
        load_parameters(network, head | {f"encoder.{key}": value for key, value in pretrained.items()}, group.name)
        return network

    @cached_property
    def _pretrained(self) -> dict[str, dict[str, Any]]:
        return {}
