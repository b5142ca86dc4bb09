import pytest

from plumbline.data.catalog import CIFAR10, CIFAR100, DATASETS, check_name
from plumbline.errors import PlumblineError


@pytest.mark.parametrize(
    ("given", "near"), [("cifar-10", "cifar10"), ("CIFAR100", "cifar100"), ("digit", "digits")]
)
def test_nearest_name(given: str, near: str) -> None:
    """An unknown name is answered with the nearest known one."""
    with pytest.raises(PlumblineError, match=f"no data set '{given}'. Did you mean '{near}'"):
        check_name(given)
    assert check_name(near) == near


def test_far_name() -> None:
    """A name near to nothing is answered with the list of known ones."""
    with pytest.raises(PlumblineError, match="'zzz'. Expected one of " + ", ".join(DATASETS)):
        check_name("zzz")


def test_published_files_are_https_and_pinned() -> None:
    """Every published file has an https address, a size and a whole sha256, all different."""
    for spec, classes in ((CIFAR10, 10), (CIFAR100, 100)):
        assert len(set(spec.classes)) == classes
        assert len(spec.published) == 3
        for sha256, file in spec.published.items():
            assert file.url.startswith("https://")
            assert len(sha256) == 64
            assert file.size > 20_000_000
