"""A whole run: train, score, average, score again, with everything written down as it happens."""

from __future__ import annotations

from contextlib import nullcontext

from plumbline.durable import disk_fault, flush_folder, held, remove_unfinished
from plumbline.errors import StopRequested
from plumbline.progress import SILENT, Progress
from plumbline.records import (
    Counts,
    PhaseName,
    Record,
    RunFolder,
)
from plumbline.records.image_names import write_image_names
from plumbline.records.ledger import looks_counted
from plumbline.training.averaging import WeightAverager
from plumbline.training.build import Built, build_data, build_phase, phases
from plumbline.training.classifier import ImageClassifier
from plumbline.training.disk import check_disk, disk_need
from plumbline.training.ema import EmaAverager
from plumbline.training.interrupts import StopFlag, stop_on_signals
from plumbline.training.journal import Journal, now
from plumbline.training.launched import is_first_process
from plumbline.training.phase import compile_training, phase_part, train
from plumbline.training.request import Request, first_record, resumed_record
from plumbline.training.scoring import Scoring
from plumbline.training.weights import load_weights, save_weights


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
        folder = RunFolder(folder.path.absolute())  # whoever changes the working folder later
        journal = Journal(record, folder=folder, writes=is_first_process())
        journal.write()
        if request.dataset.train_names and journal.writes:
            names = {"train": request.dataset.train_names, "test": request.dataset.test_names}
            write_image_names(folder, names)
        flush_folder(folder.path.parent)
        return cls(request, journal=journal, progress=progress)

    @classmethod
    def resume(
        cls, request: Request, *, record: Record, folder: RunFolder, progress: Progress = SILENT
    ) -> Run:
        """Go on with the run that `record` tells of; nothing is written before `execute`.

        Raises PlumblineError where it would go on with a device of another kind or in another precision.
        """
        folder = RunFolder(folder.path.absolute())
        begun, notes = resumed_record(record, compute=request.compute)
        for note in notes:
            progress.say(note)
        journal = Journal(begun, folder=folder, writes=is_first_process())
        return cls(request, journal=journal, progress=progress)

    def execute(self) -> Record:
        """Do what is not done yet, and give the record.

        Raises StopRequested after Ctrl-C or SIGTERM, with everything up to the last whole step saved;
        PlumblineError where the loss or the weights are no finite numbers, where memory runs out, where the
        disk is full or the folder cannot be written, and where another process is at work on this run. In all
        cases the last good checkpoint stays.
        """
        with held(self.folder.path) if is_first_process() else nullcontext():
            try:
                with stop_on_signals(self._stop):
                    self._do()
            except StopRequested:
                self.journal.write_if_possible(status="interrupted")
                raise
            except BaseException as error:
                # What Lightning makes of a second Ctrl-C is a SystemExit.
                left = isinstance(error, KeyboardInterrupt | SystemExit)
                self.journal.write_if_possible(status="interrupted" if left else "failed")
                fault = disk_fault(error, folder=self.folder.path)
                if fault is None:
                    raise
                raise fault from error
        return self.journal.record

    def _do(self) -> None:
        if is_first_process():
            remove_unfinished(self.folder.path)
        for phase in phases(self.request.recipe):
            known = self.journal.phase(phase)
            if known is None or not known.finished:
                self._phase(phase)
        looks = looks_counted(self.request.dataset.fingerprint)
        self.journal.write(status="finished", finished=now(), test_looks=looks)

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
            if is_first_process():
                check_disk(self._need(built), folder=self.folder.path)
            if phase == "average":
                load_weights(built.classifier, self.folder.checkpoint("fit"))
        if request.recipe.compile:
            with self.journal.timed("compile_seconds"):
                compile_training(built, request=request, progress=self._progress)
        with self.journal.timed("training_seconds" if phase == "fit" else "averaging_seconds"):
            train(
                built,
                phase=phase,
                request=request,
                journal=self.journal,
                stop=self._stop,
                progress=self._progress,
            )
            classifier = built.classifier.to(request.compute.device)
            averaged = self._averaged(classifier, built=built)
        with self.journal.timed("scoring_seconds"):
            self._conclude(classifier, averaged=averaged, built=built, phase=phase)
        self.journal.put_phase(
            phase_part(built, phase=phase, timing=self.journal.record.timing, finished=True)
        )

    def _need(self, built: Built) -> int:
        return disk_need(
            built.classifier.model,
            is_averaged=self.request.recipe.averaging is not None,
            images=len(built.data.splits.validation) + len(built.data.dataset.test),
            classes=len(built.data.dataset.classes),
        )

    def _conclude(
        self, classifier: ImageClassifier, *, averaged: ImageClassifier | None, built: Built, phase: PhaseName
    ) -> None:
        is_last = phase == phases(self.request.recipe)[-1]
        self._keep(classifier, name="raw" if is_last else "fit")
        self._scoring.score(
            classifier, built=built, phase=phase, weights="raw", are_final=is_last and averaged is None
        )
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
