"""What every test stands on: no network, no cache of the user's, the shared data where there is some."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
if SHARED_DATA.is_dir():
    os.environ.setdefault("PLUMBLINE_DATA", str(SHARED_DATA))

# A slow machine is no failure: pytest-timeout ends what hangs.
settings.register_profile("plumbline", deadline=None)
settings.load_profile("plumbline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put slow tests first: one that comes last runs alone while the other processor has nothing to do."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session", autouse=True)
def empty_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the tests a cache of their own, so that none depends on what an earlier run fetched.

    A ledger too: no test may count as a look at the user's test scores.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUMBLINE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("PLUMBLINE_LEDGER", str(tmp_path_factory.mktemp("ledger") / "ledger.sqlite"))
        yield


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every host but this one unreachable at once, as on a machine without a network."""
    resolve = socket.getaddrinfo
    here = {"", "localhost", "::1", socket.gethostname()}

    def resolve_here(host: str | bytes | None, *rest: object, **named: object) -> object:
        name = host.decode() if isinstance(host, bytes) else host or ""
        if name in here or name.startswith("127."):
            return resolve(host, *rest, **named)  # type: ignore[arg-type]
        raise socket.gaierror(socket.EAI_NONAME, f"tests are offline: {name} is not looked up")

    monkeypatch.setattr(socket, "getaddrinfo", resolve_here)
