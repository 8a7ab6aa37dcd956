"""The example that serves an artefact, as a process, and clients that know no manners."""

import io
import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from PIL import Image

EXAMPLE = Path(__file__).parents[1] / "examples" / "serve.py"
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


def bright_or_dark(folder):
    """An artefact that tells whether an image is bright, without a network."""
    import tensorflow as tf

    class Judge(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
        def encoded(self, image_bytes):
            """The share of white and of black in the one image."""
            image = tf.io.decode_image(image_bytes[0], 3, expand_animations=False)
            white = tf.reduce_mean(tf.cast(image, tf.float32)) / 255
            return {"scores": tf.stack([[white, 1 - white]])}

    judge = Judge()
    tf.saved_model.save(judge, str(folder), {"encoded": judge.encoded})
    card = {"outputs": [{"name": "scores"}], "class_names": ["bright", "dark"]}
    (folder / "model_card.json").write_text(json.dumps(card))
    return folder


@contextmanager
def served(folder, log):
    """The process and the port of a server, whose errors go into a file."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, EXAMPLE, str(folder), str(port)]
    with log.open("wb") as errors:
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )  # fmt: skip
        try:
            assert b"http://" in server.stdout.readline(), log.read_text()
            yield server, port
        finally:
            server.kill()
            server.wait()
            server.stdout.close()


def picture(brightness, side=32, kind="png"):
    """The bytes of an image of one colour."""
    written = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), brightness, "uint8")).save(written, kind)
    return written.getvalue()


def sent(port, *parts, timeout=60, ends=False):
    """Status and content of the answer to raw bytes; None for an answer that is no HTTP.

    With `ends` the client says that nothing more will come.
    """
    with socket.create_connection(("127.0.0.1", port), timeout) as client:
        # The server may have answered and closed before all is sent.
        with suppress(ConnectionError):
            for each in parts:
                client.sendall(each)
            if ends:
                client.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(ConnectionError):
            while received := client.recv(2**16):
                answer += received
    head, _, text = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 "):
        return None
    return int(head.split()[1]), json.loads(text)


def posted(port, body):
    """Status and content of the answer to a whole request."""
    return sent(port, HEAD, b"Content-Length: %d\r\n\r\n" % len(body), body)


def chunks(count, size):
    """A body in chunks: the sender does not know its length."""
    yield b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%s\r\n" % (size, bytes(size))
    for _ in range(count):
        yield chunk
    yield b"0\r\n\r\n"


def memory(process):
    """The memory of a process in bytes, by its number."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
