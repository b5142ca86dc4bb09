"""What `plumbline test` does. Imports torch: only the command itself imports it."""

from __future__ import annotations

import typer

from plumbline.cli.console import make_progress
from plumbline.cli.datasets import load_of_run
from plumbline.cli.summary import find_score, interval
from plumbline.data import Dataset
from plumbline.errors import PlumblineError
from plumbline.evaluation import VIEW_COUNT, predict, score
from plumbline.inference.run_weights import choose_weights
from plumbline.records import Record, RunFolder, ScorePart
from plumbline.records.ledger import count_look
from plumbline.training.build import build_data, phases
from plumbline.training.device import choose_compute
from plumbline.training.weights import load_classifier, normalized_for


def run_test(
    record: Record, *, folder: RunFolder, weights: str | None, data: str | None, device: str
) -> None:
    """Score a run's weights on the test images, and print the score beside the record's.

    First each image as it is, then with the views of the recipe's test-time augmentation, if it has one.
    """
    chosen = choose_weights(weights, folder=folder)
    progress = make_progress()
    compute = choose_compute(device, precision=record.recipe.precision)
    path = folder.checkpoint(chosen)
    dataset = normalized_for(load_of_run(record, data=data, progress=progress), path=path)
    check_classes(dataset, record=record)
    classifier = load_classifier(path, compute=compute)
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


def check_classes(dataset: Dataset, *, record: Record) -> None:
    """Raise PlumblineError unless the data has the classes that the run was trained on."""
    if dataset.classes != record.dataset.classes:
        raise PlumblineError(
            f"The run was trained on the {len(record.dataset.classes)} classes of {record.dataset.name}; "
            f"{dataset.name} from {dataset.source} has others: it "
            f"{_difference(record.dataset.classes, dataset.classes)}. Give data with the same classes."
        )


def _difference(known: tuple[str, ...], given: tuple[str, ...]) -> str:
    lacks = [name for name in known if name not in given]
    adds = [name for name in given if name not in known]
    parts = [
        f"{word} {', '.join(names[:5])}{' and more' * (len(names) > 5)}"
        for word, names in (("lacks", lacks), ("adds", adds))
        if names
    ]
    return " and ".join(parts) or "has them in another order"


def _compare(part: ScorePart, *, record: Record, same_data: bool) -> None:
    recorded = find_score(record, phase=part.phase, weights=part.weights, split="test", views=part.views)
    if recorded is None or not same_data:
        return
    same = (recorded.correct, recorded.count) == (part.correct, part.count)
    words = "the same" if same else f"{part.correct - recorded.correct:+d} images"
    typer.echo(
        f"The record says {recorded.accuracy:.2%} ({recorded.correct:,} of {recorded.count:,}): {words}."
    )
