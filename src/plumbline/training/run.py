"""A whole run: train, score, average, score again, with everything written down as it happens."""

from __future__ import annotations

from lightning.pytorch import Callback, Trainer

from plumbline.errors import StopRequested
from plumbline.progress import SILENT, Progress
from plumbline.records import (
    Counts,
    PhaseName,
    PhasePart,
    Record,
    RunFolder,
)
from plumbline.records.ledger import looks_counted
from plumbline.training.averaging import WeightAverager
from plumbline.training.build import Built, build_data, build_phase, phases
from plumbline.training.callbacks import KeepLast, SeedEachStep
from plumbline.training.checkpoints import DurableCheckpointIO, Found, newest_checkpoint
from plumbline.training.chronicle import Chronicle
from plumbline.training.classifier import ImageClassifier
from plumbline.training.device import Compute
from plumbline.training.ema import EmaAverager
from plumbline.training.figures import Figures
from plumbline.training.interrupts import StopFlag, stop_on_signals
from plumbline.training.journal import Journal, now
from plumbline.training.request import Request, first_record, is_first_process
from plumbline.training.scoring import Scoring
from plumbline.training.weights import load_weights, save_weights

_LOGGED_STEPS_PER_EPOCH = 20


class Run:
    """One run in one folder. Make it with `start` or `resume`, then call `execute`."""

    def __init__(self, request: Request, *, journal: Journal, progress: Progress = SILENT) -> None:
        self.request = request
        self.journal = journal
        self.folder = journal.folder
        self._progress = progress
        self._stop = StopFlag()
        self._scoring = Scoring(
            journal,
            compute=request.compute,
            stop=self._stop,
            progress=progress,
        )

    @classmethod
    def start(cls, request: Request, *, folder: RunFolder, progress: Progress = SILENT) -> Run:
        """Begin a run in a fresh folder; its record is on disk before anything is trained."""
        data = build_data(
            request.recipe, phase="fit", dataset=request.dataset, seed=request.seed, compute=request.compute
        )
        counts = Counts(
            train=len(data.splits.train),
            validation=len(data.splits.validation),
            test=len(request.dataset.test),
        )
        record = first_record(request, counts=counts)
        journal = Journal(record, folder=folder, writes=is_first_process())
        journal.write()
        return cls(request, journal=journal, progress=progress)

    @classmethod
    def resume(
        cls, request: Request, *, record: Record, folder: RunFolder, progress: Progress = SILENT
    ) -> Run:
        """Go on with the run that `record` tells of."""
        journal = Journal(record, folder=folder, writes=is_first_process())
        journal.write(status="running", finished=None, resumed=(*record.resumed, now()))
        return cls(request, journal=journal, progress=progress)

    def execute(self) -> Record:
        """Do what is not done yet, and give the record.

        Raises StopRequested after Ctrl-C or SIGTERM, with everything up to the last whole step saved.
        """
        try:
            with stop_on_signals(self._stop):
                for phase in phases(self.request.recipe):
                    known = self.journal.phase(phase)
                    if known is None or not known.finished:
                        self._phase(phase)
        except StopRequested:
            self.journal.write(status="interrupted")
            raise
        except BaseException:
            self.journal.write(status="failed")
            raise
        looks = looks_counted(self.request.dataset.fingerprint)
        self.journal.write(status="finished", finished=now(), test_looks=looks)
        return self.journal.record

    def _phase(self, phase: PhaseName) -> None:
        request = self.request
        with self.journal.timed("setup_seconds"):
            built = build_phase(
                request.recipe,
                phase=phase,
                dataset=request.dataset,
                seed=request.seed,
                compute=request.compute,
            )
            if phase == "average":
                load_weights(built.classifier, self.folder.checkpoint("fit"))
        with self.journal.timed("training_seconds" if phase == "fit" else "averaging_seconds"):
            self._train(built, phase=phase)
        with self.journal.timed("scoring_seconds"):
            self._conclude(built, phase=phase)
        self.journal.put_phase(self._phase_part(built, phase=phase, finished=True))

    def _train(self, built: Built, *, phase: PhaseName) -> None:
        saved = self._saved(phase)
        resumed_step = int(saved.content["global_step"]) if saved is not None else 0
        self.journal.put_phase(self._phase_part(built, phase=phase, finished=False))
        first_step = sum(known.steps for known in self.journal.record.phases if known.name != phase)
        figures = Figures(
            self.folder.events,
            metrics=self.folder.metrics,
            first_step=first_step,
            resume_step=resumed_step,
            writes=is_first_process(),
        )
        chronicle = Chronicle(
            self.journal, figures=figures, phase=phase, epochs=built.epochs, progress=self._progress
        )
        callbacks: list[Callback] = [
            SeedEachStep(self.request.seed, first_step=first_step),
            *([] if built.averager is None else [built.averager]),
            chronicle,
            KeepLast(self.folder.checkpoint("last"), phase=phase, stop=self._stop),
        ]
        trainer = _trainer(built, compute=self.request.compute, callbacks=callbacks, folder=self.folder)
        trainer.fit(
            built.classifier,
            datamodule=built.data,
            ckpt_path=None if saved is None else saved.path,
            weights_only=True,
        )

    def _saved(self, phase: PhaseName) -> Found | None:
        """Give the newest whole checkpoint if it belongs to this phase."""
        found = newest_checkpoint(self.folder.resumable)
        for problem in found.damaged if found is not None else ():
            self._progress.say(f"{problem} Going on from the one before it.")
        return found if found is not None and found.content.get("plumbline_phase") == phase else None

    def _conclude(self, built: Built, *, phase: PhaseName) -> None:
        classifier = built.classifier.to(self.request.compute.device)
        is_last = phase == phases(self.request.recipe)[-1]
        self._keep(classifier, name="raw" if is_last else "fit")
        is_averaged = built.averager is not None
        self._scoring.score(
            classifier, built=built, phase=phase, weights="raw", are_final=is_last and not is_averaged
        )
        averaged = self._averaged(classifier, built=built)
        if averaged is not None:
            self._keep(averaged, name="averaged")
            self._scoring.score(averaged, built=built, phase=phase, weights="averaged", are_final=is_last)

    def _averaged(self, classifier: ImageClassifier, *, built: Built) -> ImageClassifier | None:
        match built.averager:
            case WeightAverager() as averager:
                batches = built.data.train_batches(device=self.request.compute.device)
                batches.set_epoch(built.epochs)
                return averager.averaged(classifier, batches=batches, autocast=self.request.compute.autocast)
            case EmaAverager() as averager:
                return averager.averaged(classifier)
            case None:
                return None

    def _keep(self, classifier: ImageClassifier, *, name: str) -> None:
        if is_first_process():
            save_weights(classifier, dataset=self.request.dataset, path=self.folder.checkpoint(name))

    def _phase_part(self, built: Built, *, phase: PhaseName, finished: bool) -> PhasePart:
        timing = self.journal.record.timing
        seconds = timing.training_seconds if phase == "fit" else timing.averaging_seconds
        return PhasePart(
            name=phase,
            epochs=built.epochs,
            steps=built.steps_per_epoch * built.epochs,
            steps_per_epoch=built.steps_per_epoch,
            seconds=seconds or 0.0,
            finished=finished,
        )


def _trainer(built: Built, *, compute: Compute, callbacks: list[Callback], folder: RunFolder) -> Trainer:
    return Trainer(
        accelerator=compute.device.type,
        devices=compute.count,
        strategy="ddp" if compute.count > 1 else "auto",
        precision=compute.lightning_precision,
        max_epochs=built.epochs,
        callbacks=callbacks,
        logger=False,
        plugins=[DurableCheckpointIO()],
        default_root_dir=folder.path,
        log_every_n_steps=max(1, min(50, built.steps_per_epoch // _LOGGED_STEPS_PER_EPOCH)),
        num_sanity_val_steps=0,
        # Lightning 2.6.6 warns about an empty loader unless it is told that none is meant.
        limit_val_batches=1.0 if len(built.data.splits.validation) else 0,
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
