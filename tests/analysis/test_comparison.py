"""From records to what may be said of their difference."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from plumbline.analysis import compare_pairs, detectable_effect, judge, needed_pairs
from plumbline.analysis.chosen import SELECTIONS
from plumbline.analysis.comparison import ArmRuns, compare_arms, read_comparison, write_comparison
from plumbline.analysis.sentences import power_of, scope_of, verdict_of
from plumbline.analysis.tables import arm_rows, latex, markdown
from plumbline.errors import PlumblineError
from trials.made import made_record, made_score

if TYPE_CHECKING:
    from plumbline.analysis.comparison import Comparison

SEEDS = range(1, 7)
NOISE = (0, 30, -20, 10, -10, 20)


def arm(
    label: str, *, correct: int, seeds: range = SEEDS, weights: str = "final", uneven: int = 0
) -> ArmRuns:
    """Give an arm whose scores move with the seed, as those of another arm do, and unevenly if wanted."""
    records = {
        seed: made_record(
            seed, averaged=correct + NOISE[seed - 1] + uneven * (-1) ** seed, raw=correct - 60 - seed
        )
        for seed in seeds
    }
    folders = {seed: f"{label}/seed{seed}" for seed in seeds}
    return ArmRuns(label, records, folders, SELECTIONS[weights])


def one_verdict(comparison: Comparison) -> str:
    return verdict_of(comparison.pairs[0], comparison=comparison)


def test_the_figures_are_those_of_the_pairs() -> None:
    """What stands in the comparison follows from the scores of equal seeds, each arm against the first."""
    arms = [arm("a", correct=9400), arm("b", correct=9450, uneven=5), arm("c", correct=9400, uneven=30)]
    comparison = compare_arms(arms)
    scores = [[run.accuracy for run in one.runs] for one in comparison.arms]
    paired = [compare_pairs(scores[0], second=second, comparisons=2) for second in scores[1:]]
    assert [pair.paired for pair in comparison.pairs] == paired
    assert [pair.judgement for pair in comparison.pairs] == judge(paired)
    assert [(pair.first, pair.second) for pair in comparison.pairs] == [("a", "b"), ("a", "c")]
    assert comparison.arms[0].images.low < comparison.arms[0].mean.mean < comparison.arms[0].images.high
    assert comparison.notes == ()


def test_what_two_pairs_could_find_is_what_their_verdicts_would_show() -> None:
    """The power of each is at the level that its verdict is corrected to: 97.5 % for two pairs."""
    first, second, third = arm("a", correct=9400), arm("b", correct=9450, uneven=50), arm("c", correct=9390)
    (pair, _), (alone,) = compare_arms([first, second, third]).pairs, compare_arms([first, second]).pairs
    sd = pair.paired.difference.sd
    assert sd
    assert pair.paired.detectable == pytest.approx(sd * detectable_effect(6, level=0.975))
    assert pair.paired.needed == needed_pairs(pair.paired.difference.mean / sd, level=0.975)
    assert (alone.paired.needed or 0) < (pair.paired.needed or 0)
    assert power_of(pair) != power_of(alone)


def test_the_three_verdicts_are_told_apart() -> None:
    """A clear difference is real, one that its spread hides is not shown, a tiny one matters to nobody."""
    first = arm("a", correct=9400)
    real = compare_arms([first, arm("b", correct=9450, uneven=5)])
    assert one_verdict(real).startswith("Real: b is 0.50 points above a (95% interval +0.4")
    hidden = compare_arms([first, arm("b", correct=9390, uneven=50)])
    assert one_verdict(hidden).startswith("Not shown: b is 0.10 points below a, which may be noise")
    tiny = compare_arms([first, arm("b", correct=9401, uneven=2)])
    assert one_verdict(tiny).startswith("Practically none: b is within 0.10 points of a")
    several = compare_arms([first, arm("b", correct=9450, uneven=5), arm("c", correct=9390, uneven=50)])
    assert "for 2 comparisons at once" in one_verdict(several)
    assert several.pairs[0].judgement is not None
    assert real.pairs[0].judgement is not None
    assert (several.pairs[0].judgement.low or 0) < (real.pairs[0].judgement.low or 0)


def test_averaged_against_raw_at_equal_epochs_is_within_the_same_runs() -> None:
    """Two scores of the same records make two arms with as many epochs."""
    comparison = compare_arms([arm("a", correct=9400, weights="raw"), arm("b", correct=9400)])
    assert [(one.weights, one.phase, one.epochs) for one in comparison.arms] == [
        ("raw", "average", 6),
        ("averaged", "average", 6),
    ]
    assert comparison.notes == ()


def test_unequal_training_and_views_are_told() -> None:
    """More epochs, or more views of each image, are part of what is compared."""
    notes = compare_arms([arm("a", correct=9400, weights="fit-raw"), arm("b", correct=9400)]).notes
    assert notes[0].startswith("Epochs differ: a 4, b 6.")
    second = arm("b", correct=9400)
    seen = {
        seed: one.model_copy(update={"scores": (*one.scores, made_score(9500, views=2))})
        for seed, one in second.records.items()
    }
    notes = compare_arms([arm("a", correct=9400), ArmRuns("b", seen, second.folders, second.selection)]).notes
    assert notes[0].startswith("Views of each image differ: a 1, b 2.")


def test_one_seed_has_no_interval_and_no_verdict() -> None:
    """It says so, and gives the difference and what the finite test set alone leaves open."""
    one = range(1, 2)
    comparison = compare_arms([arm("a", correct=9400, seeds=one), arm("b", correct=9500, seeds=one)])
    assert one_verdict(comparison).startswith(
        "No verdict: b is 1.00 points above a on seed 1. One seed has no"
    )
    assert power_of(comparison.pairs[0]) == ""
    assert comparison.pairs[0].judgement is None
    assert [line.split(":")[0] for line in scope_of(comparison)] == ["Images"]
    assert "| - | none (one seed) |" in markdown(comparison)


def test_only_equal_seeds_are_paired() -> None:
    """A seed that one arm lacks is no pair; where there is none at all, that is told."""
    comparison = compare_arms([arm("a", correct=9400), arm("b", correct=9450, seeds=range(3, 6))])
    assert comparison.pairs[0].seeds == (3, 4, 5)
    with pytest.raises(PlumblineError, match="a and b have no seed in common"):
        compare_arms([arm("a", correct=9400, seeds=range(1, 3)), arm("b", correct=9450, seeds=range(3, 6))])


def test_both_sources_of_chance_are_named() -> None:
    """Other seeds and other images are two sentences with a figure for each."""
    words = list(scope_of(compare_arms([arm("a", correct=9400), arm("b", correct=9450)])))
    assert words[0].startswith("Seeds: ")
    assert words[1].startswith("Images: 10,000 test images leave each mean ±0.46 points")


def on_validation(arms: ArmRuns, *, count: int = 10_000, image_size: int | None = None) -> ArmRuns:
    """Give the same scores on validation images; `image_size` is what own pictures have."""
    records = {}
    for seed, record in arms.records.items():
        dataset = record.dataset.model_copy(update={"image_size": image_size})
        changes = {"split": "validation", "count": count}
        scores = tuple(score.model_copy(update=changes) for score in record.scores)
        records[seed] = record.model_copy(update={"dataset": dataset, "scores": scores})
    return replace(arms, records=records)


def test_validation_images_of_each_seed_are_not_said_to_be_the_same() -> None:
    """Where every seed holds out its own, nothing is said of "these" images, and no interval is theirs."""
    arms = [on_validation(arm(name, correct=9400)) for name in "ab"]
    comparison = compare_arms(arms, split="validation")
    seeds, images = scope_of(comparison)
    assert seeds.endswith("other seeds, each with 10,000 validation images of its own.")
    assert images.startswith("Images: every seed holds out others, so that how far seeds lie apart")
    assert images.endswith("For one seed all arms see the same ones, so their difference moves less.")
    assert "these" not in seeds + images
    assert [row[-1] for row in arm_rows(comparison)] == ["other images", "-", "-"]
    own = [on_validation(one, image_size=32) for one in arms]
    seeds, images = scope_of(compare_arms(own, split="validation"))
    assert seeds.endswith("scored on these 10,000 validation images.")
    assert "more seeds do not make that less" in images


def test_a_comparison_that_did_not_record_whose_images_they_were() -> None:
    """One of an earlier version is read, and its validation images are not taken for shared ones."""
    published = Path(__file__).resolve().parents[2] / "results" / "methods" / "speednet_xs"
    assert not read_comparison(published).shares_images


def test_arms_on_unequal_counts_of_images_are_told() -> None:
    """They see different images, and have different ones to train on."""
    arms = on_validation(arm("a", correct=9400)), on_validation(arm("b", correct=9400), count=20_000)
    comparison = compare_arms(arms, split="validation")
    assert comparison.notes[0].startswith("Images differ: a is scored on 10,000, b on 20,000.")
    seeds, images = scope_of(comparison)
    assert "10,000 or 20,000 validation images of its own" in seeds
    assert "same" not in images


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """The file holds the whole comparison; a damaged or missing one is told."""
    comparison = compare_arms([arm("a", correct=9400), arm("b", correct=9450, uneven=5)])
    write_comparison(comparison, path=tmp_path / "comparison.json")
    assert read_comparison(tmp_path) == comparison
    text = (tmp_path / "comparison.json").read_text()
    (tmp_path / "comparison.json").write_text(text.replace('"split": "test"', '"split": "train"'))
    with pytest.raises(PlumblineError, match=r"comparison\.json is damaged: split"):
        read_comparison(tmp_path)
    with pytest.raises(PlumblineError, match="cannot be read"):
        read_comparison(tmp_path / "nowhere.json")


def test_tables_can_be_pasted() -> None:
    """Every row has as many cells as its heading, and what LaTeX would take for a command is escaped."""
    comparison = compare_arms([arm("a_1", correct=9400), arm("b", correct=9390, uneven=50)])
    tables = markdown(comparison).split("\n\n")
    assert [len({line.count("|") for line in table.splitlines()}) for table in tables] == [1, 1]
    text = latex(comparison)
    assert r"a\_1 & averaged, 6 epochs & 94.05\% & 6 &" in text
    assert "& $-$0.10 & $-$" in text
    assert text.count(r"\begin{tabular}{lrrrrrr}") == text.count(r"\end{tabular}") == 2


def test_a_comparison_needs_no_torch() -> None:
    """It can be computed again from records where no torch is installed."""
    code = (
        "import sys, plumbline.analysis.comparison, plumbline.analysis.tables, plumbline.trials.compare\n"
        "assert not sys.modules.keys() & {'torch', 'torchvision', 'lightning', 'ray'}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
