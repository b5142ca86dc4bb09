"""What a run leaves behind: recipe, digest, seed, versions, device, curves, scores. No torch."""

from plumbline.records.schema import (
    ArithmeticPart,
    Counts,
    DatasetPart,
    DevicePart,
    EpochPart,
    PhaseName,
    PhasePart,
    Record,
    ScorePart,
    SplitName,
    TimingPart,
    WeightsName,
    data_options,
    where_it_was,
)
from plumbline.records.store import (
    RunFolder,
    create_run_folder,
    read_record,
    write_record,
    write_text,
)

__all__ = [
    "ArithmeticPart",
    "Counts",
    "DatasetPart",
    "DevicePart",
    "EpochPart",
    "PhaseName",
    "PhasePart",
    "Record",
    "RunFolder",
    "ScorePart",
    "SplitName",
    "TimingPart",
    "WeightsName",
    "create_run_folder",
    "data_options",
    "read_record",
    "where_it_was",
    "write_record",
    "write_text",
]
