"""An exported network behind HTTP: an image goes in, its best classes come out.

Needs TensorFlow, starlette and uvicorn, but no Keras. In another terminal:

    keraskip export runs/vanishing/resnet20_seed0/model.keras exported/digits --signature encoded
    python examples/serve.py exported/digits
    curl --data-binary @digit.png http://127.0.0.1:8000/

The answer is JSON: [{"class": "3", "score": 0.98}, ...], or {"error": ...} with status 400 if the
body is no image. Prints its address when it is ready, after about 5 seconds.
"""

import json
import sys
from pathlib import Path

import tensorflow as tf
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

folder, port = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 8000
card = json.loads((folder / "model_card.json").read_text())
loaded = tf.saved_model.load(str(folder))
classify = loaded.signatures["encoded"]
scores_name, names = card["outputs"][0]["name"], card["class_names"]


def best(image: bytes, count: int = 5) -> list[dict]:
    """The classes with the highest scores."""
    scores = classify(image_bytes=tf.constant([image]))[scores_name][0].numpy()
    best_first = (-scores).argsort()[:count]
    return [
        {"class": names[number] if names else str(number), "score": float(scores[number])}
        for number in best_first
    ]


async def answer(request: Request) -> JSONResponse:
    """Classifies the body of a POST."""
    image = await request.body()
    try:
        # In a thread, so that the event loop can take the next request.
        return JSONResponse(await run_in_threadpool(best, image))
    except tf.errors.InvalidArgumentError:
        return JSONResponse({"error": "The body must be a JPEG or PNG image."}, status_code=400)


app = Starlette(routes=[Route("/", answer, methods=["POST"])])

if __name__ == "__main__":
    print(f"http://127.0.0.1:{port}/", flush=True)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
