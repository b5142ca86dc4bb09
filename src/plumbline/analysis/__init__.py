"""What may be concluded from records: intervals. No torch."""

from plumbline.analysis.intervals import Interval, wilson_interval

__all__ = ["Interval", "wilson_interval"]
