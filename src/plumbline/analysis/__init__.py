"""What may be concluded from records: intervals, comparisons, spread, mistakes, calibration. No torch."""

from plumbline.analysis.calibration import Bin, Calibration, Temperature, calibration, fit_temperature
from plumbline.analysis.classes import ClassFigures, ClassReport, Share, answers, class_report
from plumbline.analysis.intervals import Interval, wilson_interval
from plumbline.analysis.location import Location, Statistic, aggregate, location
from plumbline.analysis.means import Mean, mean_of, student_interval
from plumbline.analysis.paired import Judgement, PairedComparison, Verdict, compare_pairs, judge
from plumbline.analysis.power import detectable_effect, needed_pairs, paired_power
from plumbline.analysis.signflips import sign_flip_test
from plumbline.analysis.spread import ImageSpread, SeedSpread, image_spread, seed_spread

__all__ = [
    "Bin",
    "Calibration",
    "ClassFigures",
    "ClassReport",
    "ImageSpread",
    "Interval",
    "Judgement",
    "Location",
    "Mean",
    "PairedComparison",
    "SeedSpread",
    "Share",
    "Statistic",
    "Temperature",
    "Verdict",
    "aggregate",
    "answers",
    "calibration",
    "class_report",
    "compare_pairs",
    "detectable_effect",
    "fit_temperature",
    "image_spread",
    "judge",
    "location",
    "mean_of",
    "needed_pairs",
    "paired_power",
    "seed_spread",
    "sign_flip_test",
    "student_interval",
    "wilson_interval",
]
