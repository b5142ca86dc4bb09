import hashlib
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import pytest
import torch
import torchvision

from plumbline.errors import PlumblineError
from plumbline.models import create_model


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hub" / "checkpoints"


def _publish(
    name: str, state: dict[str, torch.Tensor], *, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Stand in for the weights server: a file URL with the digest in its name, as torchvision's have."""
    draft = folder / "draft"
    torch.save(state, draft)
    digest = hashlib.sha256(draft.read_bytes()).hexdigest()
    file = draft.rename(folder / f"{name}-{digest[:8]}.pth")
    weights = torchvision.models._api.Weights(url=file.as_uri(), transforms=None, meta={})
    entry = SimpleNamespace(url=weights.url)
    entry.get_state_dict = lambda **settings: torch.hub.load_state_dict_from_url(weights.url, **settings)
    monkeypatch.setattr(torchvision.models, "get_model_weights", lambda _name: SimpleNamespace(DEFAULT=entry))
    return file.name


def test_imagenet_weights_are_kept_where_shapes_allow(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All layers but stem and head hold the downloaded weights; those two are new; stdout stays clean."""
    torch.manual_seed(5)
    state = torchvision.models.resnet18(weights=None).state_dict()
    file = _publish("resnet18", state, folder=tmp_path, monkeypatch=monkeypatch)
    model = create_model("resnet18", num_classes=10, pretrained=True, seed=1).state_dict()
    assert (cache / file).is_file()
    replaced = {"conv1.weight", "fc.weight", "fc.bias"}
    assert all(torch.equal(model[key], state[key]) for key in state if key not in replaced)
    assert model["conv1.weight"].shape == (64, 3, 3, 3)
    assert model["fc.weight"].shape == (10, 512)
    assert capsys.readouterr().out == ""


def test_a_stem_that_only_steps_differently_keeps_its_weights(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In MobileNetV2 the first kernel is the downloaded one, and later runs read the cache."""
    torch.manual_seed(5)
    state = torchvision.models.mobilenet_v2(weights=None).state_dict()
    file = _publish("mobilenet_v2", state, folder=tmp_path, monkeypatch=monkeypatch)
    for _ in range(2):
        model = create_model("mobilenet_v2", pretrained=True)
        assert torch.equal(model.state_dict()["features.0.0.weight"], state["features.0.0.weight"])
        (tmp_path / file).unlink(missing_ok=True)
    assert (cache / file).is_file()


@pytest.mark.usefixtures("cache")
def test_the_old_names_in_densenet_files_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DenseNet's published files say norm.1 where the network says norm1."""
    torch.manual_seed(5)
    state = torchvision.models.densenet121(weights=None).state_dict()
    old = {}
    for key, value in state.items():
        for part in ("norm", "conv"):
            if ".denselayer" in key:
                key = key.replace(f".{part}1.", f".{part}.1.").replace(f".{part}2.", f".{part}.2.")  # noqa: PLW2901
        old[key] = value
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    _publish("densenet121", old, folder=tmp_path, monkeypatch=monkeypatch)
    model = create_model("densenet121", pretrained=True).state_dict()
    key = "features.denseblock1.denselayer1.conv1.weight"
    assert torch.equal(model[key], state[key])


def test_offline_the_error_says_how_to_put_the_file_there(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a network the address, the cache file and the way out are named, and nothing is left behind."""

    def unreachable(*_arguments: object, **_settings: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr("torch.hub.urlopen", unreachable)
    with pytest.raises(PlumblineError) as caught:
        create_model("resnet18", pretrained=True)
    text = str(caught.value)
    url = torchvision.models.ResNet18_Weights.DEFAULT.url
    assert url in text
    assert str(cache / url.rpartition("/")[2]) in text
    assert "no network" in text
    assert "pretrained=False" in text
    assert list(cache.iterdir()) == []


def test_a_damaged_cache_file_is_found_before_it_is_read(cache: Path) -> None:
    """A cached file whose digest is not the one in its name is refused by name; torch would just read it."""
    file = cache / torchvision.models.ResNet18_Weights.DEFAULT.url.rpartition("/")[2]
    cache.mkdir(parents=True)
    torch.save({"conv1.weight": torch.zeros(1)}, file)
    with pytest.raises(PlumblineError, match=r"damaged.*delete it") as caught:
        create_model("resnet18", pretrained=True)
    assert str(file) in str(caught.value)


@pytest.mark.usefixtures("cache")
def test_a_file_of_another_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that do not fit the network are an error with the address, not a half-loaded model."""
    _publish("resnet18", {"conv1.weight": torch.zeros(1)}, folder=tmp_path, monkeypatch=monkeypatch)
    with pytest.raises(PlumblineError, match="pretrained: expected the ImageNet weights of resnet18"):
        create_model("resnet18", pretrained=True)
