"""Whether Ray answers at an address, told in seconds: Ray itself asks for minutes."""

import os
import socket
from contextlib import suppress

SECONDS_TO_ANSWER = 5
# Ray speaks gRPC, so HTTP/2: both sides begin with their settings (RFC 9113, section 3.4).
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD, SETTINGS = 9, 4
NO_SETTINGS = bytes((0, 0, 0, SETTINGS, 0, 0, 0, 0, 0))


def check_answers(address: str) -> None:
    """ConnectionError unless Ray answers at an address; `"local"` is left to Ray."""
    meant = address
    try:
        meant = _meant(address)
        place = meant.removeprefix("ray://")
        if place in ("auto", "local") or "://" in place:
            return
        host, _, port = place.rpartition(":")
        if not host or not port.isdecimal():
            raise ConnectionError("it is not HOST:PORT")
        _greet(host.strip("[]"), int(port))
    except (OSError, OverflowError, UnicodeError) as error:
        means = "" if meant == address else f", which is {meant!r} here"
        raise ConnectionError(
            "Ray must run at its address, as after `ray start --head`. "
            f"Received: address={address!r}{means}: {error}"
        ) from None


def _meant(address: str) -> str:
    """The address itself; for `"auto"`, the one that `ray.init` would choose.

    Ray notes where its last cluster was started, and also goes there when it has ended long ago.
    """
    if address != "auto":
        return address
    if given := os.environ.get("RAY_ADDRESS"):
        return given
    with suppress(ImportError):  # Ray is missing, or another version: it will say so itself.
        from ray._private.services import canonicalize_bootstrap_address

        return canonicalize_bootstrap_address(address) or address
    return address


def _greet(host: str, port: int) -> None:
    """ConnectionError unless a server answers a greeting of HTTP/2 as such a server does."""
    with socket.create_connection((host, port), SECONDS_TO_ANSWER) as connection:
        # With TLS the greeting would need the certificates of the cluster.
        if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
            return
        connection.sendall(PREFACE + NO_SETTINGS)
        with connection.makefile("rb") as answers:
            answer = answers.read(HEAD)
    if len(answer) < HEAD or answer[3] != SETTINGS:
        raise ConnectionError("another server answers there")
