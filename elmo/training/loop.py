"""Pretraining: one loop that takes batches from an objective, steps an optimiser, measures, and saves checkpoints."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import TaskID

from elmo.errors import InputError, RunError
from elmo.nn.native.precision import choose_precision, products_in
from elmo.runtime import paddle
from elmo.system.stopping import ending, patient
from elmo.system.terminal import tell
from elmo.system.types import PathLike
from elmo.training.checkpoint import check_room, mark_best, prune, tidy, write_checkpoint
from elmo.training.checkpoint.record import TrainingState
from elmo.training.checkpoint.same_run import check_same_run
from elmo.training.optimizer import load_optimizer, make_optimizer, optimizer_arrays
from elmo.training.progress import Curves, Pass, TimeEstimate, Window, progress_bar, scores_as_text
from elmo.training.ranks import SINGLE, Ranks
from elmo.training.settings import Batches, Objective, RunSettings
from elmo.training.signals import Stop


class Trainer:
    """The loop itself.

    A run that was stopped and goes on from a checkpoint ends with the same parameters, bit by bit, as one that was not:
    the checkpoint has the place in the text, the carried states and the optimiser, and what is random depends on the
    seed, the epoch and the batch alone.

    Args:
        objective: what is trained.
        settings: how.
        save_dir: where checkpoints go, `epoch_001` and so on; None for none. Those of an earlier run that are there
            give way to the first one of this run, unless it goes on from one.
        provenance: written into every checkpoint; its "runs" are those that made the model before this one.
        console: where progress and log lines go; None for silence.
        ranks: this process among those that train together.
        curves: where loss, learning rate, speed and held-out scores are drawn, on the first rank; None for nowhere.
    """

    def __init__(
        self,
        objective: Objective,
        settings: RunSettings,
        save_dir: PathLike | None = None,
        provenance: dict[str, Any] | None = None,
        console: Console | None = None,
        ranks: Ranks = SINGLE,
        curves: Curves | None = None,
    ) -> None:
        settings = dataclasses.replace(settings, amp=choose_precision(settings.amp))
        self.objective, self.settings, self.ranks = objective, settings, ranks
        self.curves = curves if ranks.rank == 0 else None
        self.save_dir = None if save_dir is None else Path(save_dir)
        self.provenance = provenance or {}
        self.console = ranks.console(console)
        self.parameters = list(objective.model.parameters())
        self.optimizer = make_optimizer(settings, self.parameters)
        self.scaler = paddle.amp.GradScaler(enable=settings.amp == "fp16")
        self.epoch = self.step = 0
        self.tokens_read = 0  # of this run, by this rank, in each direction
        self.history: list[dict[str, Any]] = []
        self._pass = Pass()
        self._position: dict[str, Any] = {}  # to go on from, in the next epoch that is run
        self._best = math.inf  # lowest perplexity of a checkpoint so far
        self._is_new = True  # no checkpoint in the folder is this run's yet
        self._estimate = TimeEstimate(0)
        self._stop = Stop(self.console)
        self._text = objective.text_fingerprint()
        ranks.same_start(self.parameters)

    def load_state(self, state: TrainingState, place: PathLike) -> None:
        """Go on from a checkpoint; the model's parameters are loaded already.

        Raises:
            InputError: the checkpoint is another run's, or not this model's.
        """
        check_same_run(state, place, self.objective, self.settings, self.ranks, self.console)
        progress = state.progress
        self.epoch = state.epoch
        self.step = state.step
        self.history = list(state.history)
        of_rank = progress["ranks"][self.ranks.rank]
        self.tokens_read = of_rank["tokens_read"]
        self._pass = Pass(progress["batches"], of_rank["nats"], of_rank["tokens"], progress["seconds"])
        self._position = dict(state.position)
        self._best = progress["best"] or math.inf
        self._is_new = False
        if scale := progress.get("loss_scaling"):
            self.scaler.load_state_dict(scale)
        load_optimizer(self.optimizer, self.objective.model, state.optimizer, place)
        if progress["is_best"] and self._saves_to(Path(place).parent):
            mark_best(Path(place))  # a kill may have come between the two

    def run(self) -> list[dict[str, Any]]:
        """Train until `max_epoch` epochs are finished.

        Returns:
            a record an epoch: epoch, step, mean training loss (nats), tokens/s, seconds, and the held-out scores.

        Raises:
            RunError: the loss is not finite, or a checkpoint can't be written.
            InputError: the ranks did not begin at the same step.
            KeyboardInterrupt, SystemExit: the run was stopped by Ctrl-C or by SIGTERM, which ends a program with 143; a
                checkpoint was saved first.
        """
        steps = self.ranks.gather({"step": np.array([self.step])})["step"].ravel().tolist()
        if len(set(steps)) > 1:
            raise InputError(
                f"the ranks go on from steps {', '.join(map(str, steps))}: --para_save_dir must be a folder that all "
                "of them share"
            )
        if self.save_dir is not None:
            check_room(self.save_dir, self.epoch, self.step)
            if not self.ranks.rank:
                tidy(self.save_dir)
        # Several ranks can't agree on the step, so there a signal ends them as it would any program.
        signals = self._stop.heeded() if self.ranks.world_size == 1 else nullcontext()
        with patient(), signals, progress_bar(self.console) as progress:
            self._announce()
            while self.epoch < self.settings.max_epoch and not self._has_settled():
                task = progress.add_task(
                    f"epoch {self.epoch + 1}",
                    total=self.objective.batches_per_epoch(),
                    completed=self._pass.batches,
                    status="",
                )

                def advance(status: str, task: TaskID = task) -> None:
                    progress.update(task, advance=1, status=status)

                record = self._run_epoch(advance)
                progress.remove_task(task)
                self.history.append(record)
                self.epoch += 1
                self._pass = Pass()
                self._log_epoch(record)
                self._save(f"epoch_{self.epoch:03d}", {}, record.get("perplexity"))
                if self._stop.signal and self.epoch < self.settings.max_epoch:
                    self._end_stopped()
        return self.history

    def _announce(self) -> None:
        """Say how much there is to do."""
        numbers = sum(math.prod(parameter.shape) for parameter in self.parameters)
        batches = self.objective.batches_per_epoch()
        self._estimate = TimeEstimate(batches * self.settings.max_epoch, batches * self.epoch + self._pass.batches)
        tell(
            self.console,
            f"{numbers:,} parameters; {self.settings.max_epoch} epochs of about {batches:,} batches, "
            f"{self._estimate.left:,} of them to come",
        )

    def _has_settled(self) -> bool:
        """Whether the held-out perplexity has not fallen for so many epochs that the run is to end."""
        scores = [record.get("perplexity", math.inf) for record in self.history]
        patience = self.settings.patience
        if not patience or len(scores) <= patience or min(scores[-patience:]) < min(scores[:-patience]):
            return False
        tell(self.console, f"the held-out perplexity has not fallen for {patience} epochs: the run ends")
        return True

    def _run_epoch(self, advance: Callable[[str], None]) -> dict[str, Any]:
        objective, done = self.objective, self._pass
        objective.model.train()
        started = time.perf_counter() - done.seconds
        with closing(objective.begin_epoch(self.epoch, self._position)) as batches:
            self._position = {}
            self._learn(batches, advance, started)
        seconds = time.perf_counter() - started
        scores = self._stop.unless_stopped(objective.evaluate)
        if scores is None:  # the pass is over, and who goes on begins with its measurement
            done.seconds = seconds
            self._save(f"step_{self.step:07d}", objective.position(), None)
            self._end_stopped()
        world = self.ranks.world_size
        return {
            "epoch": self.epoch + 1,
            "step": self.step,
            "training_loss": self.ranks.average(done.nats / max(done.tokens, 1), done.tokens),
            "tokens_per_second": world * done.tokens / seconds,
            "seconds": seconds,
            **(scores or {}),
        }

    def _learn(self, batches: Batches, advance: Callable[[str], None], started: float) -> None:
        """Learn from the batches of a pass that began at a time of `time.perf_counter`."""
        settings, objective, done = self.settings, self.objective, self._pass
        total_steps = settings.schedule_length * objective.batches_per_epoch() // settings.accumulate_steps
        recent = Window()
        pending = 0  # batches whose gradients the optimiser has not used yet
        for batch in batches:
            objective.seed_step(self.epoch, done.batches)
            with products_in(settings.amp):
                loss, mean, count = objective.training_loss(batch)
            nats = self._check_finite(float(mean))
            scaled = loss / settings.accumulate_steps
            (self.scaler.scale(scaled) if settings.amp == "fp16" else scaled).backward()
            pending += 1
            done.add(nats, count)
            recent.add(nats, count)
            self.tokens_read += count
            advance(f"loss {nats:.3f}  {done.tokens / (time.perf_counter() - started):,.0f} tokens/s")
            for line in self._estimate.add():
                tell(self.console, line)
            if pending == settings.accumulate_steps:
                self._step_optimizer(total_steps)
                pending = 0
                done.seconds = time.perf_counter() - started
                recent = self._after_step(recent)
        if pending:
            self._step_optimizer(total_steps)

    def _check_finite(self, nats: float) -> float:
        if math.isfinite(nats) or self.settings.amp == "fp16":  # with loss scaling, such a step is left out
            return nats
        settings = self.settings
        raise RunError(
            f"the loss is {nats} at step {self.step + 1} (epoch {self.epoch + 1}): "
            f"lower --learning_rate ({settings.learning_rate:g}) or --max_grad_norm ({settings.max_grad_norm:g})"
        )

    def _step_optimizer(self, total_steps: int) -> None:
        self.ranks.average_gradients(self.parameters)
        self.optimizer.set_lr(self.settings.rate(self.step, total_steps))
        if self.settings.amp == "fp16":
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            self.optimizer.step()
        self.optimizer.clear_grad()
        self.step += 1

    def _after_step(self, recent: Window) -> Window:
        """Log, save and measure where it is time to."""
        settings = self.settings
        scores: dict[str, float] = {}
        if self.step % settings.log_interval == 0:
            tell(self.console, f"step {self.step}: {recent.report()}{self._estimate.remaining()}")
            self._draw(training_loss=recent.loss, tokens_per_second=recent.speed, learning_rate=self.optimizer.get_lr())
            recent = Window()
        if settings.dev_interval and self.step % settings.dev_interval == 0:
            scores = self._stop.unless_stopped(self.objective.evaluate) or {}
            tell(self.console, f"step {self.step}: {scores_as_text(scores) if scores else 'not measured'}")
            self._draw(**scores)
        due = settings.save_interval and self.step % settings.save_interval == 0
        if (due or self._stop.signal) and self.save_dir is not None:
            self._save(f"step_{self.step:07d}", self.objective.position(), scores.get("perplexity"))
        if self._stop.signal:
            self._end_stopped()
        return recent

    def _draw(self, **scalars: float) -> None:
        if self.curves is not None:
            self.curves.add(self.step, **scalars)

    def _end_stopped(self) -> None:
        advice = "no checkpoint was saved" if self.save_dir is None else "go on with --resume True"
        tell(self.console, f"stopped after step {self.step}; {advice}")
        raise ending(self._stop.signal)

    def _log_epoch(self, record: dict[str, Any]) -> None:
        scores = {name: record[name] for name in record if name.endswith(("perplexity", "nats_per_character"))}
        self._draw(epoch_training_loss=record["training_loss"], **scores)
        tell(
            self.console,
            f"epoch {record['epoch']}: training loss {record['training_loss']:.4f}, {scores_as_text(scores)}"
            f"{record['tokens_per_second']:,.0f} tokens/s",
        )

    def _save(self, name: str, position: dict[str, Any], perplexity: float | None) -> None:
        """Save a checkpoint, on the first rank; `position` was collected from all."""
        if self.save_dir is None:
            return
        counts = {"nats": self._pass.nats, "tokens": self._pass.tokens, "tokens_read": self.tokens_read}
        gathered = self.ranks.gather({name: np.array([count]) for name, count in counts.items()})
        if self.ranks.rank:
            return
        is_best = perplexity is not None and perplexity <= self._best
        self._best = min(self._best, perplexity if perplexity is not None else math.inf)
        progress: dict[str, Any] = {
            "text": self._text,
            "batches": self._pass.batches,
            "seconds": self._pass.seconds,
            "ranks": [
                {name: values[rank].item() for name, values in gathered.items()}
                for rank in range(self.ranks.world_size)
            ],
            "best": self._best if math.isfinite(self._best) else None,
            "is_best": is_best,
        }
        if self.settings.amp == "fp16":
            progress["loss_scaling"] = {key: _plain(value) for key, value in self.scaler.state_dict().items()}
        state = TrainingState(
            self.epoch,
            self.step,
            dataclasses.asdict(self.settings),
            self.history,
            optimizer_arrays(self.optimizer, self.objective.model),
            position,
            progress,
            self.ranks.world_size,
        )
        tokens = int(gathered["tokens_read"].sum())
        run = {"settings": state.settings, "steps": self.step, "tokens_read": tokens, "history": self.history}
        provenance = {**self.provenance, "runs": [*self.provenance.get("runs", []), run]}
        files = self.objective.files(provenance)
        written = write_checkpoint(self.save_dir / name, files, state, in_place_of_all=self._is_new)
        self._is_new = False
        if is_best:
            mark_best(written)
        prune(written, self.settings.keep_checkpoints)

    def _saves_to(self, folder: Path) -> bool:
        """Whether this rank is the one that writes, and writes there."""
        return self.save_dir is not None and not self.ranks.rank and self.save_dir.resolve() == folder.resolve()


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value
