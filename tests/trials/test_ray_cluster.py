"""Runs over a Ray cluster: started here where Ray is installed (pip install 'ray>=2.60,<3')."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from cli.runner import run_process
from plumbline.analysis.comparison import read_comparison
from plumbline.errors import PlumblineError
from plumbline.trials.ray_cluster import Needs, check_ray, needs_of_a_run
from trials.test_compare import COMPARE

if TYPE_CHECKING:
    from pathlib import Path

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


@needs_ray
@pytest.mark.slow
def test_runs_are_made_on_a_cluster_that_is_started_here(tmp_path: Path) -> None:
    """Two runs at once on this machine's own Ray; what they leave behind is as without it."""
    done = run_process(*COMPARE, "--ray", "local", "--workers", "2", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "2 of 2: resnet18-quick, seed" in done.err
    comparison = read_comparison(tmp_path / "cmp")
    assert [run.seed for run in comparison.arms[0].runs] == [1, 2]


@needs_ray
def test_an_address_that_does_not_answer_is_told_in_time(tmp_path: Path) -> None:
    """Within 15 seconds, and nothing is left behind."""
    began = monotonic()
    done = run_process(*COMPARE, "--ray", "127.0.0.1:9", cwd=tmp_path)
    assert monotonic() - began < 15
    assert done.code == 2
    assert "--ray 127.0.0.1:9: no Ray cluster answers there" in done.err
    assert not (tmp_path / "cmp").exists()


def test_without_ray_it_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra, and the way without."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(PlumblineError, match=r"pip install 'ray>=.*--workers"):
        check_ray("local")


def test_a_run_gets_its_share_of_a_machine() -> None:
    """One run a machine, or a GPU; more at once get fewer cores, and never more than one machine has."""
    uneven = [{"CPU": 4.0}, {"CPU": 16.0}, {"memory": 1.0}]
    assert needs_of_a_run(uneven, workers=None, device="auto") == Needs(cpus=4, gpus=0)
    assert needs_of_a_run(uneven, workers=100, device="auto") == Needs(cpus=1, gpus=0)
    mixed = [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 64.0}]
    assert needs_of_a_run(mixed, workers=None, device="cuda") == Needs(cpus=4, gpus=1)
    assert needs_of_a_run(mixed, workers=None, device="cpu") == Needs(cpus=8, gpus=0)
