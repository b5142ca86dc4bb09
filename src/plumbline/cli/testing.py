"""What `plumbline test` does. Imports torch: only the command itself imports it."""

from __future__ import annotations

import typer

from plumbline.cli.console import make_progress
from plumbline.cli.datasets import load_named_or_path
from plumbline.cli.summary import find_score, interval
from plumbline.data import Dataset
from plumbline.errors import PlumblineError, nearest_of
from plumbline.evaluation import VIEW_COUNT, predict, score
from plumbline.records import Record, RunFolder, ScorePart, WeightsName, where_it_was
from plumbline.records.ledger import count_look
from plumbline.training.build import build_data, phases
from plumbline.training.device import choose_compute
from plumbline.training.weights import load_classifier


def run_test(
    record: Record, *, folder: RunFolder, weights: str | None, data: str | None, device: str
) -> None:
    """Score a run's weights on the test images, and print the score beside the record's.

    First each image as it is, then with the views of the recipe's test-time augmentation, if it has one.
    """
    chosen = choose_weights(weights, folder=folder)
    progress = make_progress()
    compute = choose_compute(device, precision=record.recipe.precision)
    dataset = load_named_or_path(data or where_it_was(record.dataset), progress=progress)
    check_classes(dataset, record=record)
    classifier = load_classifier(folder.checkpoint(chosen), compute=compute)
    built = build_data(record.recipe, phase="fit", dataset=dataset, seed=record.seed, compute=compute)
    batches = built.evaluation_batches("test", device=compute.device)
    for views in dict.fromkeys((None, record.recipe.tta)):
        result = score(
            predict(classifier, batches=batches, autocast=compute.autocast, views=views, progress=progress)
        )
        part = ScorePart(
            phase=phases(record.recipe)[-1],
            weights=chosen,
            split="test",
            views=1 if views is None else VIEW_COUNT[views],
            **vars(result),
        )
        trouble = count_look(
            dataset.fingerprint,
            dataset=dataset.name,
            run=str(folder.path.resolve()),
            digest=record.digest,
            views=part.views,
            weights=part.weights,
        )
        if trouble is not None:
            progress.say(trouble)
        typer.echo(_in_words(part, data=dataset.name))
        _compare(part, record=record, same_data=dataset.fingerprint == record.dataset.fingerprint)


def _in_words(part: ScorePart, *, data: str) -> str:
    views = f", {part.views} views" if part.views > 1 else ""
    return (
        f"{part.weights} weights on {data}{views}: {part.accuracy:.2%} ({part.correct:,} of {part.count:,}; "
        f"95 % interval {interval(part)}), loss {part.loss:.4f}"
    )


def choose_weights(asked: str | None, *, folder: RunFolder) -> WeightsName:
    """Give the weights asked for, or else the averaged ones, or else the raw ones.

    Raises PlumblineError where the run does not have them.
    """
    names: tuple[WeightsName, ...] = ("averaged", "raw")
    there = [name for name in names if folder.checkpoint(name).is_file()]
    if asked is None and there:
        return there[0]
    for name in names:
        if asked == name and name in there:
            return name
    if asked is not None and asked not in names:
        raise PlumblineError(f"--weights {asked}: expected raw or averaged.{nearest_of(asked, names)}")
    raise PlumblineError(
        f"{folder.path} has no {asked or 'finished'} weights. It has: {', '.join(there) or 'none'}; "
        f"a run that was stopped goes on with plumbline fit --out {folder.path} --resume."
    )


def check_classes(dataset: Dataset, *, record: Record) -> None:
    """Raise PlumblineError unless the data has the classes that the run was trained on."""
    if dataset.classes != record.dataset.classes:
        raise PlumblineError(
            f"The run was trained on the {len(record.dataset.classes)} classes of {record.dataset.name}; "
            f"{dataset.name} has others ({', '.join(dataset.classes[:3])}, …). Give data with the same."
        )


def _compare(part: ScorePart, *, record: Record, same_data: bool) -> None:
    recorded = find_score(record, phase=part.phase, weights=part.weights, split="test", views=part.views)
    if recorded is None or not same_data:
        return
    same = (recorded.correct, recorded.count) == (part.correct, part.count)
    words = "the same" if same else f"{part.correct - recorded.correct:+d} images"
    typer.echo(
        f"The record says {recorded.accuracy:.2%} ({recorded.correct:,} of {recorded.count:,}): {words}."
    )
