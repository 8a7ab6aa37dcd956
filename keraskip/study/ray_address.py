"""Whether Ray answers at an address, told in seconds: Ray itself asks for minutes."""

import os
import socket

SECONDS_TO_ANSWER = 5
# Ray speaks gRPC, so HTTP/2: both sides begin with their settings (RFC 9113, section 3.4).
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD, SETTINGS = 9, 4
NO_SETTINGS = bytes((0, 0, 0, SETTINGS, 0, 0, 0, 0, 0))


def check_answers(address: str) -> None:
    """ConnectionError unless Ray answers at an address; `"auto"` and `"local"` are left to Ray."""
    place = address.removeprefix("ray://")
    if place in ("auto", "local") or "://" in place:
        return
    host, _, port = place.rpartition(":")
    try:
        if not host or not port.isdecimal():
            raise ConnectionError("it is not HOST:PORT")
        _greet(host.strip("[]"), int(port))
    except (OSError, OverflowError, UnicodeError) as error:
        raise ConnectionError(
            "Ray must run at its address, as after `ray start --head`. "
            f"Received: address={address!r}: {error}"
        ) from None


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
