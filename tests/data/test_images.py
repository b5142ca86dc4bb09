import pytest
import torch

from plumbline.data.images import ImageSet
from plumbline.errors import PlumblineError


@pytest.mark.parametrize(
    ("images", "labels", "says"),
    [
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, dtype=torch.int64), "uint8 of shape"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), r"\(2, 1, 4, 4\)"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64), "each of 2 images"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(2), "int64 label"),
    ],
)
def test_wrong_tensors_are_refused(images: torch.Tensor, labels: torch.Tensor, says: str) -> None:
    """A set of images says at once what is wrong with the tensors that it is made of."""
    with pytest.raises(PlumblineError, match=says):
        ImageSet(images, labels)
