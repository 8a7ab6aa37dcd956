"""Weights from a pretend hub: a folder, served as the Hugging Face Hub serves its files."""

import hashlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import keras
import numpy as np
import pytest
from torch_files import random_tensor, write_safetensors
from typer.testing import CliRunner

from keraskip import Preprocessing, build
from keraskip.cli import app
from keraskip.export.request import request_for
from keraskip.models import hub, pretrained
from keraskip.models.hub import PINS, Pin, fetch
from keraskip.models.origin import imagenet_classes, origin_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """Answers for one file, by its commit and its branch.

    The file may be longer by the answers to HEAD and to GET than it is.
    """

    content, commit, requests = b"", COMMIT, 0
    more = {"HEAD": 0, "GET": 0}  # noqa: RUF012  replaced in tests

    def do_HEAD(self):
        type(self).requests += 1
        *_, revision, name = self.path.split("/")
        if revision not in (self.commit, "main") or name != "model.safetensors":
            self.send_response(404)
            self.send_header("X-Error-Code", "RevisionNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content) + self.more[self.command]))
        self.send_header("ETag", f'"{hashlib.sha256(self.content).hexdigest()}"')
        self.send_header("X-Repo-Commit", self.commit)
        self.end_headers()
        return True

    def do_GET(self):
        if self.do_HEAD():
            self.wfile.write(self.content)
            self.close_connection = True

    def log_message(self, *arguments):
        """Prints nothing."""


@pytest.fixture
def served(tmp_path, monkeypatch):
    """The hub, with a small file that is the pinned one."""
    constants = pytest.importorskip("huggingface_hub.constants")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    file = write_safetensors(tmp_path / "served", {"a": np.arange(50, dtype="float32")})
    monkeypatch.setattr(Hub, "content", file.read_bytes())
    monkeypatch.setattr(Hub, "requests", 0)
    monkeypatch.setitem(PINS, "resnet18", Pin(COMMIT, hashlib.sha256(Hub.content).hexdigest()))
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_file_is_fetched_once_and_then_kept(served):
    path = fetch("resnet18")
    assert path.read_bytes() == Hub.content
    before = Hub.requests
    # A commit never changes, so that a file that is there needs no question.
    assert fetch("resnet18") == path
    assert Hub.requests == before


def refusal_of(error, network="resnet18"):
    with pytest.raises(error) as refusal:
        fetch(network)
    message = str(refusal.value)
    assert "\n" not in message
    assert f"timm/{network}.tv_in1k" in message
    return message


def test_another_file_than_the_pinned_one_is_refused(served, monkeypatch):
    monkeypatch.setattr(Hub, "content", Hub.content[:-1] + b"x")
    message = refusal_of(ValueError)
    assert "must have the SHA-256" in message
    assert hashlib.sha256(Hub.content).hexdigest() in message


def test_a_file_that_was_damaged_in_the_cache_is_cured_by_what_the_refusal_says(served):
    blob = fetch("resnet18").resolve()
    blob.write_bytes(Hub.content[:-1] + b"x")
    named = refusal_of(ValueError).rpartition(", in ")[2]
    hub.Path(named).unlink()
    assert fetch("resnet18").read_bytes() == Hub.content


@pytest.mark.parametrize(
    "more",
    [
        {"HEAD": 100, "GET": 0},
        # huggingface_hub tries again five times, a second apart.
        pytest.param({"HEAD": 100, "GET": 100}, marks=pytest.mark.slow),
    ],
    ids=["file", "connection"],
)
def test_a_file_that_is_cut_on_the_way_is_refused(served, monkeypatch, more):
    monkeypatch.setattr(Hub, "more", more)
    assert "cannot be downloaded" in refusal_of(ConnectionError)


def test_a_revision_that_is_gone_is_refused(served, monkeypatch):
    monkeypatch.setitem(PINS, "resnet18", Pin("f" * 40, PINS["resnet18"].sha256))
    assert "f" * 40 in refusal_of(ConnectionError)


def test_offline_without_the_file(served, monkeypatch):
    monkeypatch.setattr(sys.modules["huggingface_hub.constants"], "HF_HUB_OFFLINE", True)
    message = refusal_of(ConnectionError)
    assert "not in the cache and cannot be downloaded" in message
    assert "weights= also takes the path" in message


@pytest.fixture
def unpinned(served, monkeypatch):
    """The hub, for a network without a pin, and the words of the warning."""
    monkeypatch.setitem(PINS, "resnet18", None)
    digest = hashlib.sha256(Hub.content).hexdigest()
    return f"no revision of timm/resnet18.tv_in1k: .* commit {COMMIT} with the SHA-256 {digest}"


def test_without_a_pin_the_first_file_is_kept(unpinned, monkeypatch):
    with pytest.warns(UserWarning, match=unpinned):
        path = fetch("resnet18")
    # The branch moves on.
    monkeypatch.setattr(Hub, "commit", "f" * 40)
    monkeypatch.setattr(Hub, "content", Hub.content[:-1] + b"x")
    before = Hub.requests
    with pytest.warns(UserWarning, match=unpinned):
        assert fetch("resnet18") == path
    assert Hub.requests == before


def test_without_a_pin_a_file_that_was_damaged_in_the_cache_is_refused(unpinned):
    with pytest.warns(UserWarning, match=unpinned):
        blob = fetch("resnet18").resolve()
    if blob.name == "model.safetensors":
        pytest.skip("no links here, and so no hash in the name of a file")
    blob.write_bytes(Hub.content[:-1] + b"x")
    message = refusal_of(ValueError)
    assert f"must have the SHA-256 {hashlib.sha256(Hub.content).hexdigest()}" in message
    blob.unlink()
    with pytest.warns(UserWarning, match=unpinned):
        assert fetch("resnet18").read_bytes() == Hub.content


def test_without_the_package_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"pip install 'keraskip\[hub\]'"):
        fetch("resnet18")


def test_the_command_says_in_one_line_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    arguments = ["export", "resnet18", str(tmp_path / "out"), "--weights", "imagenet"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    (said,) = result.stderr.splitlines()
    assert said.startswith("keraskip: weights='imagenet' of this network")


def test_pins_are_of_their_form():
    assert list(PINS) == [
        *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
        *("densenet121", "densenet161", "densenet169", "densenet201"),
    ]
    for pin in filter(None, PINS.values()):
        assert (len(pin.revision), len(pin.sha256)) == (40, 64)
        assert int(pin.revision, 16)
        assert int(pin.sha256, 16)


def test_classes_are_the_ones_of_keras():
    """Keras pins the MD5 of the file that `decode_predictions` downloads; it has the same."""
    lines = hub.Path(hub.__file__).with_name("imagenet_classes.txt").read_text("ascii").split()
    pairs = zip(lines[::2], lines[1::2], strict=True)
    entries = ", ".join(f'"{k}": ["{synset}", "{name}"]' for k, (synset, name) in enumerate(pairs))
    digest = hashlib.md5(f"{{{entries}}}".encode()).hexdigest()
    assert digest == "c2c37ea517e94d9795004a39431a14cb"
    assert (len(imagenet_classes()), imagenet_classes()[:2]) == (1000, ("tench", "goldfish"))


def test_imagenet_weights_bring_what_an_export_needs(tmp_path, monkeypatch):
    """Of ResNet-18, with a stand-in for the download."""
    asked = []
    stand_in = tmp_path / "some.safetensors"
    monkeypatch.setattr(pretrained, "fetch", lambda network: asked.append(network) or stand_in)
    monkeypatch.setattr(pretrained, "read_safetensors", lambda file: {})
    monkeypatch.setattr(pretrained, "fill", lambda *arguments: None)
    model = build("resnet18", weights="imagenet", kernel_initializer="zeros")
    assert asked == ["resnet18"]
    steps = Preprocessing.of_model(model)
    assert steps == Preprocessing(
        (123.675, 116.28, 103.53), (58.395, 57.12, 57.375),
        crop=0.875, interpolation="bilinear",
    )  # fmt: skip
    request = request_for(model)
    assert request["preprocessing"] == steps
    assert request["class_names"] == list(imagenet_classes())
    assert origin_of(model).source.endswith(f"revision {PINS['resnet18'].revision}")
    none = request_for(model, preprocessing=Preprocessing(), class_names=[])
    assert (none["preprocessing"], none["class_names"]) == (Preprocessing(), [])


def test_without_a_pin_the_commit_of_the_file_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(PINS, "resnet18", None)
    monkeypatch.setattr(pretrained, "fetch", lambda network: tmp_path / COMMIT / "x.safetensors")
    monkeypatch.setattr(pretrained, "read_safetensors", lambda file: {})
    monkeypatch.setattr(pretrained, "fill", lambda *arguments: None)
    model = build("resnet18", weights="imagenet", kernel_initializer="zeros")
    assert origin_of(model).source.endswith(f"revision {COMMIT}, not pinned by keraskip")


@pytest.mark.parametrize("network", PINS)
def test_each_network_is_found(monkeypatch, network):
    """The zoo's network of the papers is torchvision's; no layer is made."""
    depth = int(network.removeprefix("resnet").removeprefix("densenet"))
    name = f"{network}v1.5" if depth in (50, 101, 152) else network
    seen = []

    def fetch(network):
        seen.append(network)
        raise InterruptedError

    monkeypatch.setattr(pretrained, "fetch", fetch)
    with pytest.raises(InterruptedError):
        build(name, weights="imagenet", conventions="paper")
    assert seen == [network]


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("resnet50", {"conventions": "paper"}, "variant='v1.5'.*for another network"),
        ("resnet18", {"shortcut": "A"}, "another network"),
        ("resnet34", {"normalization": "group"}, "another network"),
        ("resnet50v1.5", {"filters": (32, 64, 128, 256)}, "another network"),
        ("densenet121", {"conventions": "paper", "growth_rate": 12}, "another network"),
        ("densenet161", {"conventions": "keras"}, "for DenseNet161"),
        ("densenet264", {}, "for densenet264"),
        ("plain18", {}, "another network"),
        ("resnet18", {"classes": 10}, r"has 10 classes: include_top=False.*classes=10"),
        ("resnet18", {"input_shape": (64, 64, 1)}, "need 3 channels"),
    ],
)
def test_other_networks_have_no_imagenet_weights(name, changes, message):
    with pytest.raises(ValueError, match=message):
        build(name, weights="imagenet", **changes)


def test_other_models_bring_nothing():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    assert request_for(model)["preprocessing"] is None
    with pytest.raises(ValueError, match="with weights that have a name"):
        Preprocessing.of_model(model)


@pytest.mark.slow
def test_from_the_hub_into_an_artefact(served, tmp_path, monkeypatch):
    pytest.importorskip("tensorflow")
    from keraskip import Artefact, export_savedmodel
    from keraskip.models.torch_names import residual_name, torch_name

    bare = build("resnet18", kernel_initializer="zeros")
    tensors = {}
    for weight in bare.weights:
        name, shape = torch_name(weight.path, residual_name), tuple(weight.shape)
        is_kernel = weight.path.endswith("/kernel")
        tensors[name] = random_tensor(name, shape[:-3:-1] + shape[:-2] if is_kernel else shape)
    file = write_safetensors(tmp_path / "whole", tensors)
    monkeypatch.setattr(Hub, "content", file.read_bytes())
    monkeypatch.setitem(PINS, "resnet18", Pin(COMMIT, hashlib.sha256(Hub.content).hexdigest()))
    model = build("resnet18", weights="imagenet")
    folder = export_savedmodel(model, tmp_path / "artefact", signatures=["uint8"])
    card = Artefact(folder).card
    assert (
        card["weights"]
        == f"torchvision, IMAGENET1K_V1, from timm/resnet18.tv_in1k, revision {COMMIT}"
    )
    assert card["preprocessing"]["crop"] == 0.875
    assert card["class_names"][:2] == ["tench", "goldfish"]
    assert "0.875 of their shorter side" in (folder / "README.md").read_text("utf-8")
