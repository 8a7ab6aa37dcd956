"""An exported network behind HTTP: an image goes in, its best classes come out.

Needs TensorFlow and Pillow, but no Keras. In another terminal:

    keraskip export runs/vanishing/resnet20_seed0/model.keras exported/digits --signature encoded
    python examples/serve.py exported/digits
    curl --data-binary @digit.png http://127.0.0.1:8000/

The answer is JSON: [{"class": "3", "score": 0.98}, ...], or {"error": ...} with status 400 if the
body is no image, 408 if it takes longer than 10 seconds to come, 413 if it has more than 1 MB or
4 million pixels, 503 if 128 others are waiting. Prints its address when it is ready, after about
5 seconds.
"""

import asyncio
import json
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email import message_from_bytes
from http import HTTPStatus
from io import BytesIO
from pathlib import Path

import tensorflow as tf
from PIL import Image

SECONDS, MOST_BYTES, MOST_CLIENTS = 10, 1_000_000, 128
# A small file may claim a huge image. Pillow warns beyond this, before it decodes.
Image.MAX_IMAGE_PIXELS = 4_000_000
warnings.simplefilter("error", Image.DecompressionBombWarning)

folder, port = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 8000
card = json.loads((folder / "model_card.json").read_text())
loaded = tf.saved_model.load(str(folder))
classify = loaded.signatures["encoded"]
scores_name, names = card["outputs"][0]["name"], card["class_names"]
threads, clients = ThreadPoolExecutor(2), asyncio.Semaphore(MOST_CLIENTS)


class RefusalError(Exception):
    """The status of an answer, and its error."""


def best(image: bytes, count: int = 5) -> list[dict]:
    """The classes with the highest scores."""
    try:
        Image.open(BytesIO(image), formats=["JPEG", "PNG"])
        scores = classify(image_bytes=tf.constant([image]))[scores_name][0].numpy()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise RefusalError(413, f"An image may have {Image.MAX_IMAGE_PIXELS:,} pixels.") from None
    # Pillow and TensorFlow have errors of many classes for bytes that are no image.
    except Exception:
        raise RefusalError(400, "The body must be a JPEG or PNG image.") from None
    best_first = (-scores).argsort()[:count]
    return [
        {"class": names[number] if names else str(number), "score": float(scores[number])}
        for number in best_first
    ]


async def body_of(reader: asyncio.StreamReader) -> bytes:
    """The body of a POST, of a length that is known before or in chunks."""
    request, _, lines = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
    if not request.startswith(b"POST / "):
        raise RefusalError(405, "An image must come by POST to the path /.")
    headers, body = message_from_bytes(lines), b""
    if "Transfer-Encoding" not in headers:
        return await part(reader, int(str(headers["Content-Length"])), MOST_BYTES)
    while chunk := await part(reader, int(await reader.readline(), 16), MOST_BYTES - len(body)):
        body += chunk
        await reader.readline()
    return body


async def part(reader: asyncio.StreamReader, length: int, room: int) -> bytes:
    """As many bytes, if there is room for them."""
    if length > room:
        raise RefusalError(413, f"A body may have {MOST_BYTES:,} bytes.")
    return await reader.readexactly(length)


async def outcome(reader: asyncio.StreamReader) -> tuple[int, object]:
    """Status and content of the answer to a request."""
    if clients.locked():
        return 503, {"error": "Too many requests at a time."}
    async with clients:
        try:
            async with asyncio.timeout(SECONDS):
                image = await body_of(reader)
            # In a thread, so that the event loop can take the next request.
            return 200, await asyncio.get_running_loop().run_in_executor(threads, best, image)
        except RefusalError as error:
            return error.args[0], {"error": error.args[1]}
        except TimeoutError:
            return 408, {"error": f"A request must come within {SECONDS} seconds."}
        except (ValueError, EOFError, asyncio.LimitOverrunError):
            return 400, {"error": "A request must be HTTP, with its length or in chunks."}


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers one request, and closes the connection."""
    # A client may be gone at any time.
    with suppress(OSError):
        status, content = await outcome(reader)
        text = json.dumps(content).encode()
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        writer.write(head.encode() + text)
        writer.write_eof()
        # Who is still sending reads the answer behind that; to close at once would discard it.
        async with asyncio.timeout(SECONDS):
            while await reader.read(2**16):
                pass
    writer.close()


async def main() -> None:
    """Serves until it is interrupted."""
    async with await asyncio.start_server(answer, "127.0.0.1", port, backlog=512) as server:
        print(f"http://127.0.0.1:{port}/", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
