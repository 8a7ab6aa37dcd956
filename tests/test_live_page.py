"""The page of a real training, followed in a browser from its first epochs to its end."""

import shutil
import subprocess
import sys

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
    (tmp_path / "runs").mkdir()
    parts = [subprocess.Popen([sys.executable, "-c", SCRIPT, tmp_path])]
    while not (tmp_path / "runs" / "mine" / "run.json").exists():
        assert parts[0].poll() is None
    report = [sys.executable, "-m", "keraskip", "report", tmp_path / "runs" / "mine", "--watch"]
    parts.append(subprocess.Popen([*report, "--out", tmp_path / "page.html"]))
    while not (tmp_path / "page.html").exists():
        assert parts[1].poll() is None
    yield parts
    for part in parts:
        part.kill()
        part.wait()


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
        assert complaints == []
        browser.close()


def wait_for_step(page, step):
    """Until the page has drawn this step and sits where its reader left it."""
    page.wait_for_function(
        "step => Number(document.getElementById('moment').dataset.labels.split(/[ –]/).at(-1))"
        " >= step && document.body.dataset.drawn && document.body.dataset.moment === '2'",
        arg=step,
    )


STATE = """() => ({
  scroll: window.scrollY, moment: document.getElementById("moment").value,
  hidden: [...document.querySelectorAll("input[name=run]")].map((box) => box.checked),
  open: [...document.querySelectorAll("details[open]")].map((part) => part.id),
  focus: document.activeElement.closest("details")?.id,
})"""


def test_a_page_follows_a_training_to_its_end(training, page, tmp_path):
    steps = 1797 // 32 + 1
    page.wait_for_selector("body[data-reload-after][data-drawn='1']")
    page.locator("#moment").evaluate(
        "slider => { slider.value = 2; slider.dispatchEvent(new Event('input')) }"
    )
    wait_for_step(page, (WAITS[0] + 1) * steps - 1)
    assert page.locator(".hint").first.text_content().startswith("The training is running")
    page.evaluate("for (const id of ['runs', 'signal']) document.getElementById(id).open = true")
    page.locator("input[name=run]").set_checked(False)
    page.locator("#method summary").focus()
    page.evaluate("window.scrollTo(0, 300)")
    left = page.evaluate(STATE)
    assert left == {
        "scroll": 300,
        "moment": "2",
        "hidden": [False],
        "open": ["runs", "signal"],
        "focus": "method",
    }
    for epoch, shown in zip(WAITS, (WAITS[1] + 1, EPOCHS), strict=True):
        (tmp_path / f"after{epoch}").touch()
        wait_for_step(page, shown * steps - 1)
        page.wait_for_function(f"window.scrollY === {left['scroll']}")
        assert page.evaluate(STATE) == left
    page.wait_for_selector("body:not([data-reload-after])[data-drawn]")
    page.wait_for_function(f"window.scrollY === {left['scroll']}")
    assert page.evaluate(STATE) == left
    assert page.locator("h1").text_content().startswith("mine learns")
    assert [part.wait() for part in training] == [0, 0]
