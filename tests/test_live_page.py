"""The page of a real training, followed in a browser from its first epochs to its end."""

import shutil
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine"),
]
EPOCHS = 20
# After these epochs the training waits, so that none is missed, however slow the browser is.
WAITS = (2, 9)

SCRIPT = f"""
import sys, time
from pathlib import Path
import keras
from sklearn.datasets import load_digits
import keraskip

folder = Path(sys.argv[1])
x, y = load_digits(return_X_y=True)

def wait(epoch, logs):
    while epoch in {WAITS} and not (folder / f"after{{epoch}}").exists():
        time.sleep(0.1)

hidden = [keras.layers.Dense(32, "relu") for _ in range(4)]
model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10, "softmax")])
model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
recorder = keraskip.GradientRecorder(folder / "runs" / "mine", verbose=0)
waiting = keras.callbacks.LambdaCallback(on_epoch_end=wait)
model.fit(x / 16, y, epochs={EPOCHS}, verbose=0, callbacks=[recorder, waiting])
"""


@pytest.fixture
def training(tmp_path):
    """A training that waits after its third epoch, and the command that writes its page."""
    run, page = tmp_path / "runs" / "mine", tmp_path / "page.html"
    run.parent.mkdir()
    with ExitStack() as stack:
        training = begun(stack, "-c", SCRIPT, tmp_path)
        wait_for(run / "run.json", training)
        report = begun(stack, "-m", "keraskip", "report", run, "--watch", "--out", page)
        wait_for(page, report)
        yield [training, report]


def begun(stack, *arguments):
    """A process of Python, which ends with the stack, whatever happens."""
    part = subprocess.Popen([sys.executable, *arguments])
    stack.callback(part.wait)
    stack.callback(part.kill)
    return part


def wait_for(file, part):
    """Waits for a file that a process writes."""
    while not file.exists():
        assert part.poll() is None
        time.sleep(0.1)


@pytest.fixture
def page(training, tmp_path):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 600})
        page.set_default_timeout(600_000)
        complaints = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto((tmp_path / "page.html").as_uri())
        yield page
        browser.close()
    assert complaints == []


# In one task of the browser each, so that the page cannot load itself anew in between.
LEFT = {"scroll": 300, "moment": "2", "hidden": "1", "open": ["runs", "signal"], "focus": "method"}
SET = """() => {
  if (!document.body.dataset.drawn) return false;
  for (const part of document.querySelectorAll("details"))
    part.open = ["runs", "signal"].includes(part.id);
  const slider = document.getElementById("moment"), box = document.querySelector("[name=run]");
  slider.value = 2;
  slider.dispatchEvent(new Event("input"));
  box.checked = false;
  box.dispatchEvent(new Event("change"));
  document.querySelector("#method summary").focus();
  window.scrollTo(0, 300);
  return window.scrollY === 300;
}"""
# Whether the page has drawn this step, is as its reader left it, and follows the training or not.
IS_LEFT = """([left, step, isLive]) => {
  const { drawn, moment, hidden, reloadAfter } = document.body.dataset;
  const labels = document.getElementById("moment").dataset.labels.split(/[ –]/);
  const state = {
    scroll: window.scrollY, moment, hidden,
    open: [...document.querySelectorAll("details[open]")].map((part) => part.id),
    focus: document.activeElement.closest("details")?.id,
  };
  return drawn && Number(labels.at(-1)) >= step && Boolean(reloadAfter) === isLive
    && JSON.stringify(state) === JSON.stringify(left);
}"""


def test_a_page_follows_a_training_to_its_end(training, page, tmp_path):
    steps = 1797 // 32 + 1
    page.wait_for_selector("body[data-reload-after][data-drawn='1']")
    assert page.locator(".hint").first.text_content().startswith("The training is running")
    page.wait_for_function(SET)
    for epoch in WAITS:
        page.wait_for_function(IS_LEFT, arg=[LEFT, (epoch + 1) * steps - 1, True])
        (tmp_path / f"after{epoch}").touch()
    page.wait_for_function(IS_LEFT, arg=[LEFT, EPOCHS * steps - 1, False])
    assert page.locator("h1").text_content().startswith("mine learns")
    assert [part.wait() for part in training] == [0, 0]
