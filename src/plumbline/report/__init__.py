"""What a run or a comparison showed, as one HTML page and as numbers. No torch."""

from plumbline.report.comparison_report import write_comparison_report
from plumbline.report.kind import is_comparison
from plumbline.report.numbers import csv_of, json_of
from plumbline.report.run_report import write_run_report

__all__ = ["csv_of", "is_comparison", "json_of", "write_comparison_report", "write_run_report"]
