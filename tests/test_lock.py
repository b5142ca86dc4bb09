"""requirements.lock is all that an installation needs, and belongs to pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "requirements.lock").read_text(encoding="utf-8")
COMMENT, CONTINUATION = re.compile(r" *#.*\n"), "\\\n"
ENTRIES = COMMENT.sub("", TEXT).replace(CONTINUATION, "").splitlines()


def locked_versions() -> dict[str, list[str]]:
    versions: dict[str, list[str]] = {}
    for entry in ENTRIES:
        name, version = re.split(r"==|\s", entry)[:2]
        versions.setdefault(canonicalize_name(name), []).append(version)
    return versions


def asked_for() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    texts = chain(
        project["build-system"]["requires"],
        project["project"]["dependencies"],
        project["dependency-groups"]["dev"],
    )
    return [Requirement(text) for text in texts]


def is_met(asked: Requirement, *, versions: dict[str, list[str]]) -> bool:
    found = versions.get(canonicalize_name(asked.name))
    return found is not None and all(asked.specifier.contains(version) for version in found)


def test_every_package_has_one_version_and_hashes() -> None:
    """Nothing is installed that was not looked at when the lock was made."""
    assert ENTRIES
    loose = [entry for entry in ENTRIES if "==" not in entry or "--hash=sha256:" not in entry]
    assert not loose


def test_the_lock_satisfies_pyproject() -> None:
    """Each requirement, that of the build and of development too, has a locked version that fits."""
    unmet = [str(asked) for asked in asked_for() if not is_met(asked, versions=locked_versions())]
    assert not unmet, "run `make lock`: " + ", ".join(unmet)


def test_the_lock_names_no_place() -> None:
    """Where packages come from is each machine's own choice: no address, no folder, no option for either."""
    assert not re.search(r"://|^\s*-(?!-hash)|(?<![\w.])/\w", TEXT, flags=re.MULTILINE)
