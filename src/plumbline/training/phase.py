"""Train one phase of a run: from where its newest checkpoint stands, to its end."""

from __future__ import annotations

from contextlib import AbstractContextManager

from lightning.pytorch import Callback, Trainer

from plumbline.data.image_module import stage_size
from plumbline.progress import Progress
from plumbline.records import PhaseName, PhasePart, RunFolder, TimingPart
from plumbline.training.build import Built
from plumbline.training.callbacks import KeepLast, SeedEachStep
from plumbline.training.checkpoints import DurableCheckpointIO, Found, newest_checkpoint, set_aside
from plumbline.training.chronicle import Chronicle
from plumbline.training.compiled import CompiledPass
from plumbline.training.cores import TellCrowding
from plumbline.training.device import Compute
from plumbline.training.figures import Figures
from plumbline.training.interrupts import StopFlag
from plumbline.training.journal import Journal
from plumbline.training.launched import is_first_process
from plumbline.training.memory import explaining_out_of_memory
from plumbline.training.request import Request

_LOGGED_STEPS_PER_EPOCH = 20
# An epoch on an accelerator may be over in less time than it takes to bring its checkpoint to the disk.
_REST_OF_ACCELERATORS = 10.0


def train(
    built: Built,
    *,
    phase: PhaseName,
    request: Request,
    journal: Journal,
    stop: StopFlag,
    progress: Progress,
) -> None:
    """Train, or go on with training, with figures, epochs and checkpoints written down as they come.

    Raises StopRequested where `stop` was set, PlumblineError where the loss or the weights are no finite
    numbers, where memory runs out, and where a checkpoint cannot be written.
    """
    folder, is_on_cpu = journal.folder, request.compute.device.type == "cpu"
    saved = _saved(folder, phase=phase, progress=progress)
    journal.put_phase(phase_part(built, phase=phase, timing=journal.record.timing, finished=False))
    first_step = sum(known.steps for known in journal.record.phases if known.name != phase)
    figures = Figures(
        folder.events,
        metrics=folder.metrics,
        first_step=first_step,
        resume_step=int(saved.content["global_step"]) if saved is not None else 0,
        writes=is_first_process(),
    )
    callbacks: list[Callback] = [
        SeedEachStep(request.seed, first_step=first_step),
        *([] if built.averager is None else [built.averager]),
        Chronicle(journal, figures=figures, phase=phase, epochs=built.epochs, progress=progress),
        KeepLast(
            folder.checkpoint("last"),
            phase=phase,
            stop=stop,
            rest_seconds=0.0 if is_on_cpu else _REST_OF_ACCELERATORS,
        ),
    ]
    # Several processes of one run on a CPU crowd each other, as they were asked to.
    if is_on_cpu and request.compute.count == 1:
        callbacks.append(TellCrowding(progress))
    trainer = _trainer(built, compute=request.compute, callbacks=callbacks, folder=folder)
    with _explaining_out_of_memory(built, request=request):
        trainer.fit(
            built.classifier,
            datamodule=built.data,
            ckpt_path=None if saved is None else saved.path,
            weights_only=True,
        )
    built.classifier.training_pass = None


def compile_training(built: Built, *, request: Request, progress: Progress) -> None:
    """Compile the training pass of a phase for every image size that it trains at.

    Raises PlumblineError where this machine cannot compile, and where memory runs out.
    """
    data, compiled = built.data, built.classifier.training_pass
    assert isinstance(compiled, CompiledPass)  # noqa: S101
    sizes = [stage_size(epoch, epochs=built.epochs, sizes=data.train_sizes) for epoch in range(built.epochs)]
    with _explaining_out_of_memory(built, request=request):
        compiled.compile(sizes, compute=request.compute, progress=progress)


def _explaining_out_of_memory(built: Built, *, request: Request) -> AbstractContextManager[None]:
    return explaining_out_of_memory(
        built.classifier.model,
        image_size=max(request.recipe.resolution.train),
        batch_size=request.recipe.batch_size,
        compute=request.compute,
    )


def _saved(folder: RunFolder, *, phase: PhaseName, progress: Progress) -> Found | None:
    """Give the newest whole checkpoint if it belongs to this phase."""
    found = newest_checkpoint(folder.resumable)
    if found is not None and found.damaged:
        for problem in found.damaged.values():
            progress.say(f"{problem} Going on from the one before it, {found.path.name}.")
        if is_first_process():
            set_aside(found.damaged)
    return found if found is not None and found.content.get("plumbline_phase") == phase else None


def phase_part(built: Built, *, phase: PhaseName, timing: TimingPart, finished: bool) -> PhasePart:
    """Give what the record says of a phase."""
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
        devices=compute.count // compute.nodes,
        num_nodes=compute.nodes,
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
