"""The nearest are those that a search through all finds, whatever was added when."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from plumbline.errors import PlumblineError
from plumbline.inference import neighbours
from plumbline.inference.neighbours import FeatureIndex, penultimate_features
from plumbline.models import create_model


def test_the_nearest_are_those_of_a_plain_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """In several chunks and additions, and half filled, it finds what a float64 search over all finds."""
    monkeypatch.setattr(neighbours, "_CHUNK", 7)
    features, asked = torch.randn(40, 16), torch.randn(3, 16)
    images = torch.randperm(1000)[:40]
    index = FeatureIndex(capacity=100)
    index.add(features[:25], images=images[:25])
    index.add(features[25:], images=images[25:])
    cosines = nn.functional.cosine_similarity(asked[:, None].double(), features[None].double(), dim=2)
    for found, row in zip(index.nearest(asked, count=5), cosines, strict=True):
        best = row.topk(5)
        assert [one.index for one in found] == images[best.indices].tolist()
        assert [one.similarity for one in found] == pytest.approx(best.values.tolist(), abs=1e-3)


def test_no_more_are_found_than_there_are() -> None:
    """An index with two images gives two of five, an empty one none, and one image is like itself."""
    index = FeatureIndex(capacity=9)
    assert index.nearest(torch.ones(2, 4), count=5) == [(), ()]
    index.add(torch.eye(4)[:2], images=torch.tensor([3, 8]))
    (found,) = index.nearest(torch.eye(4)[1:2] * 7, count=5)
    assert [(one.index, one.similarity) for one in found] == [(8, 1.0), (3, 0.0)]


@pytest.mark.parametrize("name", ["speednet_xs", "shufflenet_v2_x0_5"])
def test_features_are_what_the_head_reads(name: str) -> None:
    """The head applied to the features gives the logits, and afterwards nothing is collected any more."""
    model = create_model(name, seed=3).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad(), penultimate_features(model) as seen:
        logits = model(images)
    heads = [module for module in model.modules() if isinstance(module, nn.Linear)]
    torch.testing.assert_close(heads[-1](seen[0]), logits)
    model(images)
    assert len(seen) == 1


def test_a_network_without_a_linear_layer_is_refused() -> None:
    """There is nothing to compare."""
    with pytest.raises(PlumblineError, match="last linear layer"), penultimate_features(nn.Flatten()):
        pass
