"""What whole trainings of several seeds show together: accuracy, time, and the floor beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from plumbline.analysis import Mean, mean_of
from plumbline.analysis.chosen import Selection, choose_score
from plumbline.benchmarks.flops import recipe_flops, training_flops
from plumbline.records import Record, ScorePart

PROTOCOL = (
    "Protocol: the seeds were declared before the first run, and every run counts. No prediction looks at "
    "other test images. Timed: set-up (network, whitening), training with what it saves, validates and "
    "averages, and the scoring that gives the quoted accuracy. Not timed: starting Python, loading data, "
    "compiling, other scores; cold is the whole process. The floor is the arithmetic of convolutions and "
    "matrix products at the best rate of a plain matrix product in this run."
)


@dataclass(frozen=True)
class Conclusion:
    """All runs of one recipe; seconds are medians, operations are those of one run.

    `timed_seconds` is the median of the sums of set-up, training and quoted scoring; `cold_seconds` that of
    whole processes. `with_views` is None where the recipe has no test-time augmentation.
    """

    plain: Mean
    with_views: Mean | None
    views: int
    timed_seconds: float
    timed_least: float
    timed_most: float
    setup_seconds: float
    compile_seconds: float
    training_seconds: float
    scoring_seconds: float
    cold_seconds: float | None
    flops: int
    matrix_flops_per_second: float
    floor_seconds: float
    used: float
    resumed: int


def final_score(record: Record, *, with_views: bool) -> ScorePart | None:
    """Give the test score of the weights a run ends with: averaged ones if there are any, else raw ones."""
    score = choose_score(record, selection=Selection(), views=None if with_views else 1)
    return score if (score.views > 1) == with_views else None


def quoted_score(record: Record) -> ScorePart:
    """Give the score with several views of each image if there is one, else the plain one."""
    return choose_score(record, selection=Selection())


def timed_seconds(record: Record) -> float:
    """Give set-up, training and quoted scoring of one run."""
    return _setup(record) + _training(record) + (quoted_score(record).seconds or 0.0)


def run_flops(record: Record) -> int:
    """Count the operations of one run's training and quoted scoring.

    Validation and the steps of the optimizer are not counted.
    """
    classes, score = len(record.dataset.classes), quoted_score(record)
    images = min(record.dataset.counts.train, record.phases[0].steps_per_epoch * record.recipe.batch_size)
    epochs = range(sum(phase.epochs for phase in record.phases))
    trained = training_flops(
        record.recipe,
        num_classes=classes,
        images_per_epoch=images,
        epochs=epochs,
        winograd=record.device.winograd,
    )
    size = record.recipe.resolution.test
    forward = recipe_flops(record.recipe, num_classes=classes, image_size=size).forward
    return trained + forward * score.count * score.views


def conclude(
    records: Sequence[Record], *, cold: Sequence[float], matrix_flops_per_second: float
) -> Conclusion:
    """Put finished runs of one recipe together; all of them count."""
    plain = [score.accuracy for one in records if (score := final_score(one, with_views=False))]
    viewed = [score.accuracy for one in records if (score := final_score(one, with_views=True))]
    timed, flops = [timed_seconds(one) for one in records], run_flops(records[0])
    floor = flops / matrix_flops_per_second
    return Conclusion(
        plain=mean_of(plain),
        with_views=mean_of(viewed) if viewed else None,
        views=quoted_score(records[0]).views,
        timed_seconds=median(timed),
        timed_least=min(timed),
        timed_most=max(timed),
        setup_seconds=median(map(_setup, records)),
        compile_seconds=median(one.timing.compile_seconds or 0.0 for one in records),
        training_seconds=median(map(_training, records)),
        scoring_seconds=median(quoted_score(one).seconds or 0.0 for one in records),
        cold_seconds=median(cold) if cold else None,
        flops=flops,
        matrix_flops_per_second=matrix_flops_per_second,
        floor_seconds=floor,
        used=floor / median(timed),
        resumed=sum(bool(one.resumed) for one in records),
    )


def _setup(record: Record) -> float:
    return record.timing.setup_seconds or 0.0


def _training(record: Record) -> float:
    return (record.timing.training_seconds or 0.0) + (record.timing.averaging_seconds or 0.0)
