import os
import subprocess
import sys
from pathlib import Path

from plumbline.engine import explain_import_error

_SYMPTOM = "operator torchvision::nms does not exist"


def test_the_cause_is_found_behind_other_errors() -> None:
    """Lightning reports torchvision's failure as its own; the chain of causes is followed."""
    error = ImportError("cannot import torchmetrics")
    error.__cause__ = RuntimeError(_SYMPTOM)
    explained = explain_import_error(error)
    assert explained is not None
    assert _SYMPTOM in str(explained)
    assert "--force-reinstall torch torchvision" in str(explained)


def test_a_chain_that_bites_its_tail_ends() -> None:
    """Errors that name each other as context are looked at once each."""
    first, second = ValueError("one"), ValueError("two")
    first.__context__, second.__context__ = second, first
    assert explain_import_error(first) is None


def test_a_broken_torchvision_is_explained_where_it_is_imported(tmp_path: Path) -> None:
    """With a torchvision of another build the rooms import, and building a model says how to mend it."""
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(f'raise RuntimeError("{_SYMPTOM}")\n')
    code = (
        "import sys, plumbline.models as models, plumbline.optim, plumbline.evaluation\n"
        "assert 'torchvision' not in sys.modules\n"
        "from plumbline.errors import PlumblineError\n"
        "try: models.create_model('resnet18')\n"
        "except PlumblineError as error: print(error)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "do not fit together" in done.stdout
    assert "--force-reinstall" in done.stdout
