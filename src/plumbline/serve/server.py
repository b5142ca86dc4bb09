"""Listen on an address, and serve the application until somebody ends it."""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import TYPE_CHECKING

from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from fastapi import FastAPI


def listen(host: str, *, port: int) -> socket.socket:
    """Open the socket; port 0 takes any that is free.

    Raises PlumblineError for a host that is not this machine's, and for a port that is taken or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise PlumblineError(
            f"--host {host}: expected a name or address of this machine, such as 127.0.0.1, and this one is "
            "not known."
        ) from error
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(256)
    except (OSError, OverflowError) as error:
        opened.close()
        raise _cannot_listen(error, host=host, port=port) from error
    return opened


def _cannot_listen(error: Exception, *, host: str, port: int) -> PlumblineError:
    code = getattr(error, "errno", None)
    if code == errno.EADDRINUSE:
        return PlumblineError(
            f"--port {port}: another program listens there already. Give another, or 0 for any that is free."
        )
    if code == errno.EACCES:
        return PlumblineError(f"--port {port}: this needs more rights. Give one from 1024 on, such as 8000.")
    if code == errno.EADDRNOTAVAIL:
        return PlumblineError(
            f"--host {host}: this machine has no such address. Give 127.0.0.1 or one it has."
        )
    return PlumblineError(f"--host {host} --port {port}: cannot listen there ({error}).")


def address_of(listening: socket.socket, *, host: str) -> str:
    """Give the address to open in a browser, as `http://127.0.0.1:8000/`."""
    name = host.strip("[]")
    if is_everywhere(name):
        name = "localhost"
    return f"http://{f'[{name}]' if ':' in name else name}:{listening.getsockname()[1]}/"


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a host.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.1", "[::1]", "0.0.0.0", "box.lan")]
    [True, True, True, False, False]
    """
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_everywhere(host: str) -> bool:
    """Tell whether a host stands for all addresses of this machine."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def serve(app: FastAPI, *, listening: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; the signal is raised again when all is closed."""
    import uvicorn

    settings = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="on",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
    )
    uvicorn.Server(settings).run(sockets=[listening])
