"""Where images come from, their integrity, splits, augmentation and batches.

The Lightning data modules are in `plumbline.data.modules`, so that loading data does not import Lightning.
"""

from plumbline.data.augment import normalize, random_crop, random_flip, resize
from plumbline.data.batches import BatchStream, EvaluationBatches
from plumbline.data.catalog import DATASETS
from plumbline.data.folders import find_data_name
from plumbline.data.images import Dataset, ImageSet
from plumbline.data.load import DataUnavailable, load_dataset
from plumbline.data.normalization import cifar10_normalization, cifar100_normalization
from plumbline.data.split import Split, stratified_split

__all__ = [
    "DATASETS",
    "BatchStream",
    "DataUnavailable",
    "Dataset",
    "EvaluationBatches",
    "ImageSet",
    "Split",
    "cifar10_normalization",
    "cifar100_normalization",
    "find_data_name",
    "load_dataset",
    "normalize",
    "random_crop",
    "random_flip",
    "resize",
    "stratified_split",
]
