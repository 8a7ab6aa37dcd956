"""The example that serves an artefact stays within its limits, whoever asks."""

import random
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from serving import EXAMPLE, HEAD, bright_or_dark, chunks, memory, picture, posted, sent, served

pytest.importorskip("tensorflow", reason="this environment has no TensorFlow")
BOMB = b"\x89PNG\r\n\x1a\n" + picture(0, 3000)[8:]
SLOW_CLIENTS, CLIENTS, REQUESTS, MOST_GROWTH = 60, 50, 2000, 300e6


@pytest.fixture(scope="module")
def artefact(tmp_path_factory):
    return bright_or_dark(tmp_path_factory.mktemp("artefact"))


@pytest.fixture(scope="module")
def server(artefact, tmp_path_factory):
    """Process, port and the file with all that the server complains about."""
    log = tmp_path_factory.mktemp("log") / "errors.txt"
    with served(artefact, log) as (process, port):
        yield process, port, log


def test_the_example_is_short():
    assert len(EXAMPLE.read_text("utf-8").splitlines()) < 130


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_images_get_their_classes(server, kind):
    for brightness, name in (250, "bright"), (5, "dark"):
        status, answer = posted(server[1], picture(brightness, kind=kind))
        assert (status, answer[0]["class"]) == (200, name)
        assert answer[0]["score"] == pytest.approx(250 / 255, abs=0.01)


def test_a_body_may_come_in_chunks(server):
    image = picture(250)
    parts = (b"%x\r\n%s\r\n" % (len(part), part) for part in (image[:50], image[50:]))
    heading = b"Transfer-Encoding: chunked\r\n\r\n"
    assert sent(server[1], HEAD, heading, *parts, b"0\r\n\r\n")[0] == 200


LENGTH = b"Content-Length: %d\r\n\r\n"
REFUSED = {
    "no image": (HEAD, LENGTH % 4, b"junk", 400),
    "no body": (HEAD, LENGTH % 0, 400),
    "another format": (HEAD, LENGTH % len(picture(9, kind="gif")), picture(9, kind="gif"), 400),
    "cut image": (HEAD, LENGTH % 80, picture(9)[:80], 400),
    "no length": (HEAD, b"\r\n", 400),
    "bad length": (HEAD, b"Content-Length: \xb2\xff\r\n\r\n", 400),
    "negative length": (HEAD, LENGTH % -1, 400),
    "long number": (HEAD, b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
    "no HTTP": (b"\x16\x03\x01\r\n\r\n", 405),
    "endless heading": (HEAD, b"a" * 2**18, 400),
    "GET": (b"GET / HTTP/1.1\r\n\r\n", 405),
    "bad chunk": (HEAD, b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "claimed": (HEAD, LENGTH % 200_000_000, 413),
    "chunks": (HEAD, *chunks(20, 100_000), 413),
    "bomb": (HEAD, LENGTH % len(BOMB), BOMB, 413),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_others_get_a_status_and_a_sentence(server, kind):
    *parts, status = REFUSED[kind]
    found, answer = sent(server[1], *parts)
    assert (found, list(answer)) == (status, ["error"])
    assert posted(server[1], picture(250))[0] == 200
    assert "Traceback" not in server[2].read_text()


@pytest.mark.slow
def test_a_body_that_stops_is_not_waited_for(server):
    assert sent(server[1], HEAD, LENGTH % 100, b"a")[0] == 408


def dripping(port, seed):
    """A client that sends a byte a second; the status that it gets in the end."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(HEAD + b"X: ")
        client.settimeout(1)
        for _ in range(60):
            try:
                return client.recv(2**10)[9:12]
            except TimeoutError:
                client.sendall(b"x")
    return b"none"


def rude(port, seed):
    """Junk, a bomb or 200 MB, by chance; whether the answer fits."""
    draw = random.Random(seed)
    kind = draw.choice(["junk", "bomb", "claimed", "streamed"])
    if kind == "junk":
        return sent(port, draw.randbytes(draw.randrange(1, 5000)), b"\r\n\r\n")[0] in (400, 405)
    if kind == "bomb":
        return posted(port, BOMB)[0] == 413
    if kind == "claimed":
        block = bytes(10**6)
        return sent(port, HEAD, LENGTH % (200 * 10**6), *[block] * 200)[0] == 413
    return sent(port, HEAD, *chunks(200, 10**6))[0] == 413


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_crowd_gets_right_answers_and_memory_stays_flat(server):
    process, port, log = server
    images = {name: picture(value, 1500) for name, value in (("bright", 255), ("dark", 0))}

    def ask(number):
        name = ("bright", "dark")[number % 2]
        status, answer = posted(port, images[name])
        return (status, answer[0]["class"]) == (200, name)

    for number in range(20):
        assert ask(number)
    before, peak = memory(process.pid), 0
    with (
        ThreadPoolExecutor(SLOW_CLIENTS) as slow,
        ThreadPoolExecutor(CLIENTS) as crowd,
        ThreadPoolExecutor(4) as others,
    ):
        statuses = [slow.submit(dripping, port, seed) for seed in range(SLOW_CLIENTS)]
        fits = [others.submit(rude, port, seed) for seed in range(100)]
        right = [crowd.submit(ask, number) for number in range(REQUESTS)]
        while not all(each.done() for each in (*statuses, *fits, *right)):
            peak = max(peak, memory(process.pid))
            time.sleep(0.05)
    assert [each.result() for each in right] == [True] * REQUESTS
    assert all(each.result() for each in fits)
    assert {each.result() for each in statuses} == {b"408"}
    print(f"memory before {before / 1e6:.0f} MB, at most {peak / 1e6:.0f} MB")
    assert peak - before < MOST_GROWTH
    assert "Traceback" not in log.read_text()
