"""List what lies in a folder of pictures: fast, and never outside it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from plumbline.data.picture_listing import Listing
from plumbline.data.picture_names import MAX_DEPTH, canonical, is_hidden
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from pathlib import Path


def list_folder(root: Path) -> Listing:
    """Give everything in `root` and below, links followed as long as they stay inside.

    Raises `PlumblineError` naming what cannot be read, a link that leaves the folder, leads nowhere or in a
    circle, and two names that differ only in how Unicode composes them.
    """
    listing = Listing(str(root))
    _list_into(listing, root=os.path.realpath(root), place="", name="", above=(os.path.realpath(root),))
    return listing


def check_inside(path: str, *, root: str, told: str) -> str:
    """Give where a link leads; raise `PlumblineError` unless it is there and inside the real path `root`."""
    real = os.path.realpath(path)
    if real != root and not real.startswith(root.rstrip(os.sep) + os.sep):
        raise PlumblineError(f"{told} is a link that leaves the folder; put a copy there, or take it away")
    if not os.path.exists(real):  # noqa: PTH110  # one of 60,000 plain strings
        raise PlumblineError(f"{told} is a link that leads nowhere; take it away or mend it")
    return real


def _list_into(listing: Listing, *, root: str, place: str, name: str, above: tuple[str, ...]) -> None:
    """Add what lies in the folder opened by `place` and called `name`, both empty or ending with a slash."""
    try:
        with os.scandir(os.path.join(root, place)) as found:  # noqa: PTH118
            entries = list(found)
    except OSError as error:
        raise PlumblineError(
            f"{listing.where}/{name} cannot be read ({error.strerror or error}); mend its permissions"
        ) from error
    for entry in entries:
        if is_hidden(entry.name):
            listing.hidden.add(name + entry.name)
            continue
        own_place = place + entry.name
        own_name = name + canonical(entry.name, where=f"{listing.where}/{name}")
        real = (
            check_inside(entry.path, root=root, told=f"{listing.where}/{own_name}")
            if entry.is_symlink()
            else None
        )
        if entry.is_dir():
            inner = real or os.path.join(above[-1], entry.name)  # noqa: PTH118
            if inner in above:
                raise PlumblineError(f"{listing.where}/{own_name} is a link to a folder that it lies in")
            if len(above) > MAX_DEPTH:
                raise PlumblineError(f"{listing.where} has folders inside one another, over {MAX_DEPTH} deep")
            listing.add_folder(own_name)
            _list_into(listing, root=root, place=f"{own_place}/", name=f"{own_name}/", above=(*above, inner))
        elif entry.is_file():
            listing.add_file(own_place, name=own_name)
