"""How many processes make a run: what torchrun or srun started, or what was asked for; else refused.

The variables of a real SLURM job are only imitated here: no scheduler is at hand. Real torchrun processes are
in test_torchrun.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.runner import run_process
from plumbline.cli.processes import Processes, hand_down_folder, handed_down_folder, settle_processes
from plumbline.errors import PlumblineError
from plumbline.training.launched import is_first_process
from trials.made import made_record

OUT = Path("run")
TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "x",
    "RANK": "3",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "4",
    "LOCAL_WORLD_SIZE": "2",
}
SLURM = {"SLURM_NTASKS": "4", "SLURM_PROCID": "2", "SLURM_LOCALID": "0", "SLURM_NNODES": "2"}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    for name, value in request.param.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("started", [TORCHRUN, SLURM], indirect=True)
@pytest.mark.usefixtures("started")
def test_what_started_us_says_how_many_there_are() -> None:
    """Two machines of two; the flags may say the same; the folder is --out for all but the first process."""
    assert settle_processes(OUT, devices=None, nodes=None, before=None) == Processes(2, 2)
    assert settle_processes(OUT, devices=2, nodes=2, before=None) == Processes(2, 2)
    assert not is_first_process()
    assert handed_down_folder(OUT) == OUT
    with pytest.raises(
        PlumblineError, match=r"--devices 4 --nodes 2, but (torchrun|srun) started --devices 2"
    ):
        settle_processes(OUT, devices=4, nodes=None, before=None)
    with pytest.raises(PlumblineError, match=r"started 4 processes.*--out DIR"):
        settle_processes(None, devices=None, nodes=None, before=None)


@pytest.mark.parametrize(
    "started",
    [TORCHRUN | {"RANK": "0", "LOCAL_RANK": "0"}, SLURM | {"SLURM_PROCID": "0"}, {"LOCAL_RANK": "0"}, {}],
    indirect=True,
)
@pytest.mark.usefixtures("started")
def test_the_first_process_makes_the_folder() -> None:
    """It is the one that writes, and no folder is handed down to it."""
    assert is_first_process()
    assert handed_down_folder(OUT) is None


@pytest.mark.parametrize("started", [SLURM | {"SLURM_JOB_NAME": "interactive"}], indirect=True)
@pytest.mark.usefixtures("started")
def test_an_interactive_job_starts_its_own_processes() -> None:
    """As Lightning has it: in a shell on a node nobody has started the others."""
    assert settle_processes(None, devices=2, nodes=None, before=None) == Processes(2, 1)
    assert is_first_process()


@pytest.mark.parametrize("started", [{"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "4"}], indirect=True)
@pytest.mark.usefixtures("started")
def test_a_variable_that_is_missing_is_named() -> None:
    """Somebody set some of them by hand."""
    with pytest.raises(PlumblineError, match="sets LOCAL_WORLD_SIZE to a number; got ''"):
        is_first_process()


def test_without_either_the_flags_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One by default; other machines need torchrun or srun; Lightning's processes learn the folder."""
    assert settle_processes(None, devices=None, nodes=None, before=None) == Processes(1, 1)
    with pytest.raises(PlumblineError, match=r"--nodes 2: .*torchrun or SLURM's srun"):
        settle_processes(OUT, devices=2, nodes=2, before=None)
    monkeypatch.setenv("PLUMBLINE_RUN_FOLDER", "")
    hand_down_folder(tmp_path)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert handed_down_folder(None) == tmp_path.resolve()


def test_a_run_goes_on_with_as_many_as_before() -> None:
    """Not named, the number is taken from its record; another one is refused, with both."""
    one = made_record(1)
    two = one.model_copy(update={"device": one.device.model_copy(update={"count": 2})})
    assert settle_processes(OUT, devices=None, nodes=None, before=two) == Processes(2, 1)
    with pytest.raises(PlumblineError, match="was made by 2 processes, and now there would be 3"):
        settle_processes(OUT, devices=3, nodes=None, before=two)


def test_torchrun_without_a_folder_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    """Exit code 2 at once, with the flag that is missing."""
    done = run_process("fit", "swa-quick", "--data", "digits", cwd=tmp_path, **TORCHRUN)
    assert done.code == 2
    assert "--out DIR" in done.err
    assert not list(tmp_path.iterdir())
