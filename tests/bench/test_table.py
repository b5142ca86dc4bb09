"""The README's tables: what a reader finds in the row of a run."""

from __future__ import annotations

from bench.table import ROOT, results_table

from plumbline.records import PhasePart, Record, ScorePart, TimingPart, WeightsName, read_record

# One view of each image: views are added by the tests.
PATH = "results/resnet18-quick-cifar10-seed7/record.json"
TWO_PHASES = read_record(ROOT / PATH)


def _score(weights: WeightsName, *, correct: int, views: int = 1) -> ScorePart:
    return ScorePart(
        phase="fit",
        weights=weights,
        split="test",
        accuracy=correct / 100,
        correct=correct,
        count=100,
        loss=0.5,
        views=views,
    )


def _one_phase(*scores: ScorePart) -> Record:
    phase = PhasePart(name="fit", epochs=8, steps=80, steps_per_epoch=10, seconds=150, finished=True)
    timing = TimingPart(training_seconds=150, total_seconds=200)
    return TWO_PHASES.model_copy(update={"scores": scores, "phases": (phase,), "timing": timing})


def _cells(table: str) -> dict[str, str]:
    """Give the cells of a table's first row by the words above them."""
    head, _, row = (line.strip("| ").split(" | ") for line in table.splitlines()[:3])
    return dict(zip(head, row, strict=True))


def test_a_run_of_one_phase_shows_scores_without_and_with_views() -> None:
    """The views are those of the last weights, and training time stands beside the whole."""
    record = _one_phase(
        _score("raw", correct=90),
        _score("raw", correct=91, views=6),
        _score("averaged", correct=92),
        _score("averaged", correct=93, views=6),
    )
    cells = _cells(results_table([(PATH, record)]))
    assert cells["raw"].startswith("90.00% (")
    assert cells["averaged"].startswith("92.00% (")
    assert cells["with TTA"].startswith("averaged, 6 views: 93.00% (")
    assert (cells["training"], cells["in all"]) == ("2 min 30 s", "3 min 20 s")


def test_what_a_run_of_one_phase_has_not_is_a_dash() -> None:
    """No average and no views: nothing is called unmeasured that was never asked for."""
    table = results_table([(PATH, _one_phase(_score("raw", correct=90)))])
    cells = _cells(table)
    assert (cells["averaged"], cells["with TTA"]) == ("-", "-")
    assert "not measured" not in table


def test_a_run_of_two_phases_shows_views_behind_the_plain_score() -> None:
    """The columns of the control stay what they are."""
    (plain,) = (part for part in TWO_PHASES.scores if (part.weights, part.split) == ("averaged", "test"))
    seen_twice = plain.model_copy(update={"views": 2, "accuracy": 0.99})
    record = TWO_PHASES.model_copy(update={"scores": (seen_twice, *TWO_PHASES.scores)})
    before, after = (_cells(results_table([(PATH, run)])) for run in (TWO_PHASES, record))
    assert after["averaged"].startswith(f"{before['averaged']}; 2 views: 99.00% (")
    assert {name for name in before if before[name] != after[name]} == {"averaged"}


def test_each_kind_of_run_has_a_table_of_its_own() -> None:
    """A reader compares runs of one phase with each other, whatever the order of the folders."""
    one = _one_phase(_score("raw", correct=90))
    both = results_table([("b", one), ("a", TWO_PHASES), ("c", one)])
    assert both.split("\n\n") == [results_table([("a", TWO_PHASES)]), results_table([("b", one), ("c", one)])]
    assert "\n\n" not in results_table([("a", TWO_PHASES)])
