"""Reports and cards full of names that would be scripts, opened in Chromium: none may run."""

import functools
import json
import shutil
from dataclasses import replace
from importlib.util import find_spec

from damaged_runs import LAYERS, small_run
from hostile_changes import NAMES
from hostile_workers import ScriptError
from nasty import NAMES as NASTY

CHROMIUM = shutil.which("chromium")
# Many runs share a page, as a browser takes longer to open it than to show their names.
RUNS = 12
ENDS = ("</script>", '">', "'>", "</title>", "</style>", "</textarea>", "</svg>", "-->", "]]>",
        "`", "](", "\\", "|", "{{", "{% endraw %}", "${", "';", '";', "\n\n", "*/", "&quot;>",
        "\\u003c/script>")  # fmt: skip
SCRIPTS = ("<script>window.ran=1</script>", "<img src=x onerror=window.ran=1>",
           "<svg onload=window.ran=1>", "<details open ontoggle=window.ran=1>", "window.ran=1",
           "<a href=javascript:window.ran=1>a</a>", "[a](javascript:window.ran=1)",
           "<iframe srcdoc='<script>parent.ran=1</script>'>", "![a](x)", "<base href=//x>",
           "javascript:window.ran=1", "<meta http-equiv=refresh content=0;url=about:blank>",
           "${window.ran=1}", "<style>@import'x'</style>", "&lt;script>alert(1)&lt;/script>",
           "constructor.constructor('window.ran=1')()", "<script>alert(1)</script>")  # fmt: skip
# What would run at a click or a touch.
LURKING = """[...document.querySelectorAll('*')].flatMap((element) => [...element.attributes]
    .filter(({name, value}) => /^on/i.test(name)
        || /^(href|src|action|xlink:href)$/i.test(name) && /^\\s*javascript:/i.test(value))
    .map((each) => `${element.tagName} ${each.name}=${each.value}`))"""
# In a run of `small_run`.
RENAMED = ("net", "train.py", "accuracy", "SGD", "x", "optimizer", "relu", "Dense", "Dropout",
           "tensorflow", "frozen", "keras", "dense/kernel")  # fmt: skip


def lacks_browser():
    """The thing without which no page can be opened here, or an empty string."""
    return "" if CHROMIUM and find_spec("playwright") else "no Chromium and Playwright"


@functools.cache
def browser():
    """The one of this process, which ends with it."""
    from playwright.sync_api import sync_playwright

    playwright = sync_playwright().start()
    return playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


def start_browser(samples):
    """Starts it before the memory of this process is bound."""
    browser()


def page(draw, folder, samples):
    """Several runs, or an artefact's card, with such names, as something that a browser opens."""
    kind = draw.choice(["page", "page", "page", "cell", "picture", "document", "card"])
    if kind == "card":
        made = _card(draw, samples)
    else:
        made = [_run(draw, folder / f"run{number}") for number in range(RUNS)]
    return f"{kind} of {RUNS} runs", lambda: _opened(kind, made, folder / "target")


def drawn_name(draw):
    """A name from the lists, or a script behind the end of something."""
    if draw.random() < 0.4:
        return draw.choice([*NAMES, *NASTY.values()])
    return draw.choice(["", "a"]) + draw.choice(ENDS) + draw.choice(SCRIPTS)


def _storable(draw):
    """A name that a file can hold."""
    name = drawn_name(draw)
    return name.encode("utf-8", "ignore").decode() or "a"


def _run(draw, folder):
    """Writes a run with such names; returns its folder, and the name beside other runs."""
    small_run(folder)
    info = json.loads((folder / "run.json").read_text("utf-8"))
    del info["checksum"]
    layers = {f"dense_{number}": f"{number}{_storable(draw)}" for number in range(LAYERS)}
    paths = {f"{layer}/{role}": f"{layers[layer]}/{role}" for layer in layers
             for role in ("kernel", "bias")}  # fmt: skip
    others = {name: _storable(draw) for name in draw.sample(RENAMED, 5)}
    text = json.dumps(renamed(info, layers | paths | others))
    (folder / "run.json").write_text(text, "utf-8")
    return folder, drawn_name(draw)


def _card(draw, samples):
    from keraskip.export.artefact import layout

    card = layout.read(samples / "artefact")
    card |= {"name": _storable(draw), "weights": _storable(draw)}
    card["class_names"] = [_storable(draw) for _ in range(3)]
    card["about"] = {_storable(draw): _storable(draw)}
    card["metrics"] = {_storable(draw): 0.5}
    card["training"] = {"run": _storable(draw), "started": "now", "trial": _storable(draw)}
    return card


def renamed(node, names):
    """A document with other keys and texts, where they have another name."""
    if isinstance(node, dict):
        return {names.get(key, key): renamed(value, names) for key, value in node.items()}
    if isinstance(node, list):
        return [renamed(each, names) for each in node]
    return names.get(node, node) if isinstance(node, str) else node


def _opened(kind, made, target):
    """ScriptError if a browser that opens it does more than to show it."""
    file = _written(kind, made, target)
    shown, complaints = browser().new_page(), []
    try:
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.on("console", lambda message: complaints.append(message.text))
        shown.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        shown.goto(file.as_uri())
        if kind == "page":
            _draw_all(shown)
        if shown.evaluate("window.ran"):
            complaints.append("a script has run")
        complaints += shown.evaluate(LURKING)
        if shown.url != file.as_uri():
            complaints.append(f"it went to {shown.url}")
    finally:
        shown.close()
    if complaints:
        raise ScriptError(str(complaints)[:500])


def _draw_all(shown):
    """Opens all that is folded, and waits for each chart."""
    shown.wait_for_selector("body[data-drawn]")
    shown.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    count = shown.evaluate("document.querySelectorAll('[id^=chart-]').length")
    shown.wait_for_selector(f"body[data-drawn='{count}']")


def _written(kind, made, target):
    """The file that a browser opens; documents in Markdown become pages as on GitHub."""
    if kind == "card":
        from keraskip.export.artefact.page import readme

        return _as_page(target, _from_markdown(readme(made)))
    from keraskip import compare, load_run

    runs = [replace(load_run(folder), label=label) for folder, label in made]
    comparison = compare(*{run.name: run for run in runs}.values())
    if kind == "cell":
        return _as_page(target, comparison._repr_html_())
    if kind == "document":
        text = comparison.save(target / "report.md").read_text("utf-8")
        return _as_page(target, _from_markdown(text))
    return comparison.save(target / ("report.svg" if kind == "picture" else "report.html"))


def _from_markdown(text):
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": True}).enable("table").render(text)


def _as_page(target, body):
    file = target / "page.html"
    file.write_text(f"<!doctype html><meta charset=utf-8><body>{body}</body>", "utf-8")
    return file
