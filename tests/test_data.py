"""Data sets by name, what is refused of them, and the batches that are made of them."""

import io
import os
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from keraskip.data import load_data
from keraskip.data.batches import Batches
from keraskip.data.feeding import TrainingFeed, evaluation_data

SHARED = Path(os.environ.get("KERASKIP_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (40, 8, 6, 3)).astype("uint8")
LABELS = np.arange(40) % 4


def archives(name):
    if not (SHARED / name).exists():
        pytest.skip(f"{name} is not in {SHARED}")
    return SHARED / name


def saved(path, **arrays):
    np.savez(path, **arrays)
    return f"npz:{path}"


def folders(path, images=PIXELS, labels=LABELS):
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = path / f"class{label}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number:03}.png")
    return f"folder:{path}"


def all_images(data):
    parts = (data.train, data.validation, data.test)
    return {image.tobytes() for part in parts for image in part.images}


def batches(part=None, **options):
    data = load_data()
    options = {"size": 64, "seed": 0} | options
    return Batches(part or data.train, *data.mean_and_deviation, **options)


def test_digits():
    digits = load_data("digits")
    assert [len(part) for part in (digits.train, digits.validation, digits.test)] == [
        1294,
        144,
        359,
    ]
    assert len(all_images(digits)) > 1790  # a few are drawn alike
    assert (digits.input_shape, digits.classes) == ((8, 8, 1), 10)
    for part in digits.train, digits.validation, digits.test:
        counts = np.bincount(part.labels) / len(part)
        np.testing.assert_allclose(counts, 0.1, atol=0.02)


def test_parts_are_the_same_each_time():
    first, second = load_data(), load_data()
    assert np.array_equal(first.test.images, second.test.images)
    assert np.array_equal(first.validation.labels, second.validation.labels)


def test_npz_parts_that_are_there_are_kept(tmp_path):
    arrays = {"x_train": PIXELS[:30], "y_train": LABELS[:30], "index": LABELS}
    name = saved(tmp_path / "a.npz", **arrays, x_test=PIXELS[30:], y_test=LABELS[30:, None])
    data = load_data(name)
    assert np.array_equal(data.test.images, PIXELS[30:])
    assert (len(data.train), len(data.validation), data.classes) == (27, 3, 4)
    assert data.input_shape == (8, 6, 3)


def test_grey_images_get_a_channel(tmp_path):
    data = load_data(saved(tmp_path / "a.npz", x_train=PIXELS[..., 0], y_train=LABELS))
    assert data.input_shape == (8, 6, 1)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": PIXELS}, "x_train and y_train.*'x_train'"),
        ({"x_train": PIXELS, "y_train": LABELS[:-1]}, "as many labels"),
        ({"x_train": PIXELS, "y_train": LABELS / 2}, "whole numbers from 0"),
        ({"x_train": PIXELS, "y_train": LABELS - 1}, "whole numbers from 0"),
        ({"x_train": PIXELS.astype("S3"), "y_train": LABELS}, "images are numbers"),
        ({"x_train": PIXELS[0, 0], "y_train": LABELS}, "images are numbers"),
        ({"x_train": np.full(PIXELS.shape, np.nan), "y_train": LABELS}, "finite"),
        ({"x_train": PIXELS, "y_train": LABELS, "x_test": PIXELS}, "no y_test"),
        (
            {"x_train": PIXELS, "y_train": LABELS, "x_test": PIXELS[:, 1:], "y_test": LABELS},
            "one size",
        ),
        ({"x_train": np.full(PIXELS.shape, -np.inf), "y_train": LABELS}, "finite"),
        ({"x_train": np.full(PIXELS.shape, 1e300), "y_train": LABELS}, "finite, in 32 bits"),
        ({"x_train": PIXELS[:, :0], "y_train": LABELS}, "at least one pixel"),
        ({"x_train": PIXELS, "y_train": LABELS + 10**6}, "whole numbers from 0 to 999,999"),
        (
            {"x_train": PIXELS, "y_train": LABELS, "x_test": PIXELS / 255, "y_test": LABELS},
            r"one scale.*x_train to 25., x_test to (1|0\.99.*) in",
        ),
        ({"x_train": PIXELS[:2], "y_train": LABELS[:2]}, "Too few images"),
        ({"x_train": PIXELS, "y_train": LABELS * 0}, "two classes"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, arrays, message):
    with pytest.raises(ValueError, match=message):
        load_data(saved(tmp_path / "a.npz", **arrays))


def npz(path, **members):
    """An archive of raw members, deflated."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return f"npz:{path}"


def npy(array, shape=None):
    """The bytes of an array whose header may claim another shape."""
    written = io.BytesIO()
    facts = {"descr": array.dtype.str, "fortran_order": False, "shape": shape or array.shape}
    np.lib.format.write_array_header_1_0(written, facts)
    return written.getvalue() + array.tobytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy(PIXELS, (10**9, 8, 6, 3)), r"x_train.npy has .* for an array of shape \(1000000000,"),
        (npy(PIXELS) + b"more", "x_train.npy has .* bytes for an array of shape"),
        (npy(PIXELS)[:-1], "x_train.npy has .* bytes for an array of shape"),
        (npy(PIXELS, (-40, -8, 6, 3)), "x_train.npy has .* bytes"),
        (b"\x93NUMPY\x03\x00", "has version"),
        (bytes(2**28), "unpack to 100 times its size"),
        (b"", "plain arrays"),
    ],
)
def test_headers_that_claim_too_much_are_refused_before_an_array_is_made(
    tmp_path, content, message
):
    name = npz(tmp_path / "a.npz", y_train=npy(LABELS), x_train=content)
    with pytest.raises(ValueError, match=message) as refused:
        load_data(name)
    assert str(tmp_path / "a.npz") in str(refused.value)
    assert "\n" not in str(refused.value)


def test_arrays_of_more_than_the_memory_are_refused(tmp_path, monkeypatch):
    name = saved(tmp_path / "a.npz", x_train=PIXELS, y_train=LABELS)
    monkeypatch.setattr("keraskip.data.parts.MEMORY_SHARE", 0)
    with pytest.raises(ValueError, match="quarter of the memory"):
        load_data(name)


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_an_array_that_is_there_twice_is_refused(tmp_path):
    saved(tmp_path / "a.npz", x_train=PIXELS, y_train=LABELS)
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("x_train.npy", npy(PIXELS + 1))
    with pytest.raises(ValueError, match="x_train twice"):
        load_data(f"npz:{tmp_path / 'a.npz'}")


def test_parts_of_one_scale_may_differ_in_brightness(tmp_path):
    hot = PIXELS / 100
    hot[0, 0, 0] = 1e4
    for train, test in ((PIXELS, PIXELS // 25), (hot, PIXELS / 100)):
        parts = {"x_train": train, "x_test": test, "x_val": PIXELS[..., :3] * 0}
        labels = {key.replace("x", "y", 1): LABELS for key in parts}
        assert load_data(saved(tmp_path / "a.npz", **parts, **labels)).classes == 4


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"regular file.*a\.npz, which is a pipe"):
        load_data(f"npz:{tmp_path / 'a.npz'}")


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive"])
def test_a_file_that_is_no_npz_is_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npz must hold"):
        load_data(f"npz:{tmp_path / 'a.npz'}")


def test_a_size_that_would_not_be_used_is_refused():
    with pytest.raises(ValueError, match="image_size=4"):
        load_data("digits", image_size=4)


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("unpickled",)


def test_objects_are_refused_and_never_unpickled(tmp_path):
    bombs = np.array([Bomb()] * 4, dtype=object)
    with pytest.raises(ValueError, match="no objects"):
        load_data(saved(tmp_path / "a.npz", x_train=PIXELS, y_train=bombs))


def test_a_folder_of_images(tmp_path):
    data = load_data(folders(tmp_path))
    assert all_images(data) == {image.tobytes() for image in PIXELS}
    assert (data.input_shape, data.classes) == ((8, 6, 3), 4)
    place = int(np.argmax([image.tobytes() == PIXELS[5].tobytes() for image in data.train.images]))
    assert data.train.labels[place] == LABELS[5]


def test_a_folder_with_parts(tmp_path):
    folders(tmp_path / "train", PIXELS[:32, ..., 0], LABELS[:32])
    folders(tmp_path / "val", PIXELS[32:, ..., 0], LABELS[32:])
    data = load_data(f"folder:{tmp_path}")
    assert data.input_shape == (8, 6, 1)
    assert np.array_equal(np.sort(data.validation.labels), np.sort(LABELS[32:]))
    assert len(data.train) + len(data.test) == 32


def test_a_folder_larger_than_memory_is_read_batch_by_batch(tmp_path, monkeypatch):
    name = folders(tmp_path)
    whole = load_data(name)
    monkeypatch.setattr("keraskip.data.parts.MEMORY_SHARE", 0)
    data = load_data(name)
    assert np.array_equal(data.train.images, whole.train.images)
    Image.fromarray(PIXELS[1]).save(tmp_path / "class0" / "000.png")
    assert PIXELS[1].tobytes() in all_images(data)
    assert PIXELS[0].tobytes() not in all_images(data)


def test_images_of_several_sizes_are_brought_to_one_or_refused(tmp_path):
    name = folders(tmp_path)
    Image.fromarray(np.zeros((20, 10, 3), "uint8")).save(tmp_path / "class0" / "tall.png")
    with pytest.raises(ValueError, match="image_size"):
        load_data(name)
    data = load_data(name, image_size=4)
    assert data.input_shape == (4, 4, 3)
    assert any(not image.any() for part in (data.train, data.test) for image in part.images)


def test_a_side_that_no_image_may_have_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"67,108,864 pixels.*image_size=100000"):
        load_data(folders(tmp_path), image_size=100_000)


def spoil_image(path):
    (path / "class0" / "000.png").write_bytes(b"no image")


def cut_image(path):
    file = path / "class0" / "000.png"
    file.write_bytes(file.read_bytes()[:-60])


def float_image(path):
    Image.fromarray(np.zeros((8, 6), "float32")).save(path / "class0" / "000.tif")


def pipe(path):
    (path / "class0" / "000.png").unlink()
    os.mkfifo(path / "class0" / "000.png")


def empty_class(path):
    (path / "class9").mkdir()


def one_class(path):
    for label in 1, 2, 3:
        (path / f"class{label}").rename(path.parent / f"class{label}")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_image, "000.png cannot be read as an image"),
        (cut_image, "000.png cannot be read as an image"),
        (float_image, "8 or 16 bits"),
        (pipe, "regular file.*000.png, which is a pipe"),
        (empty_class, "at least one image.*class9"),
        (one_class, r"two classes.*\['class0'\]"),
    ],
)
def test_a_folder_that_is_no_data_set_is_refused(tmp_path, spoil, message):
    name = folders(tmp_path / "images")
    spoil(tmp_path / "images")
    with pytest.raises(ValueError, match=message):
        load_data(name)


@pytest.mark.parametrize("kind", ["folder", "npz"])
@pytest.mark.parametrize("path", ["a\nb\x1b", "\ud800", "a\x00b"])
def test_a_path_with_control_characters_is_one_line(kind, path):
    with pytest.raises(FileNotFoundError, match="There is no") as said:
        load_data(f"{kind}:{path}")
    assert str(said.value).isprintable()


def test_a_folder_or_file_that_is_missing(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        load_data(f"folder:{tmp_path / 'nowhere'}")
    with pytest.raises(OSError, match=r"nowhere\.npz"):
        load_data(f"npz:{tmp_path / 'nowhere.npz'}")


def test_batches_depend_on_seed_epoch_and_step_alone():
    one, other = (batches(augment=("crop", "flip")) for _ in range(2))
    for epoch, step in (0, 0), (0, 1), (3, 0):
        for first, second in zip(one.at(epoch, step), other.at(epoch, step), strict=True):
            assert np.array_equal(first, second)
    found = [batches(seed=s).at(e, i)[0].tobytes() for s in (0, 1) for e in (0, 1) for i in (0, 1)]
    assert len(set(found)) == 8


def test_an_epoch_has_each_image_once_and_whole_batches():
    made = batches(part=load_data().train.take(np.arange(200)))
    assert made.steps == 3
    images = [image.tobytes() for step in range(3) for image in made.at(0, step)[0]]
    assert len(images) == 192
    assert len(set(images)) > 190
    assert batches(seed=None).steps == np.ceil(1294 / 64)


def test_channels_are_normalised(tmp_path):
    data = load_data(saved(tmp_path / "a.npz", x_train=PIXELS, y_train=LABELS))
    whole = Batches(data.train, *data.mean_and_deviation, len(data.train)).at(0, 0)[0]
    np.testing.assert_allclose(whole.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(whole.std(axis=(0, 1, 2)), 1, atol=1e-5)


def test_crops_are_shifted_images_and_flips_mirrored_ones():
    part = load_data().train.take(np.arange(64))
    plain = {label: [] for label in range(10)}
    for image, label in zip(*batches(part, seed=None).at(0, 0), strict=True):
        plain[label].append(image)
    crops, _ = made = batches(part, augment=("crop",)).at(0, 0)
    inner = [image[1:-1, 1:-1] for image in crops]
    # Of shifts by up to one pixel, the middle is somewhere in the padded image.
    for middle, label in zip(inner, made[1], strict=True):
        assert any(
            np.array_equal(middle, image[row : row + 6, column : column + 6])
            for image in plain[label]
            for row in range(3)
            for column in range(3)
        )
    flips, labels = batches(part, augment=("flip",)).at(0, 0)
    mirrored = [
        any(np.array_equal(image[:, ::-1], each) for each in plain[label])
        for image, label in zip(flips, labels, strict=True)
    ]
    assert 20 < sum(mirrored) < 44


def test_processes_share_a_batch():
    options = {"augment": ("crop", "flip")}
    halves = [batches(share=(process, 2), **options).at(1, 2) for process in (0, 1)]
    for whole, *parts in zip(batches(**options).at(1, 2), *halves, strict=True):
        assert np.array_equal(whole, np.concatenate(parts))


def test_the_feed_gives_the_batches_in_their_order_and_a_hash_of_each_epoch():
    made = batches(size=400)
    feed = TrainingFeed(made, range(1, 3))
    numbers = [(epoch, step) for epoch in (1, 2) for step in range(3)]
    count = 0
    for (epoch, step), (images, labels) in zip(numbers, feed.data(), strict=True):
        expected = made.at(epoch, step)
        assert np.array_equal(keras.ops.convert_to_numpy(images), expected[0])
        assert np.array_equal(keras.ops.convert_to_numpy(labels), expected[1])
        count += 1
    assert count == 6
    # The second feed goes on where a training would: the hash is that of the epoch alone.
    again = TrainingFeed(made, range(2, 3))
    list(again.data())
    assert feed.hash_of(2) == again.hash_of(2) != feed.hash_of(1)


def test_evaluation_sees_all_images_each_time():
    data = evaluation_data(batches(seed=None, size=500))
    for _ in range(2):
        found = [data[step] for step in range(3)] if hasattr(data, "__getitem__") else list(data)
        assert sum(len(labels) for _, labels in found) == 1294


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("digitz", "nearest: digits"),
        ("fashion_mnits", "nearest: fashion_mnist"),
        ("tfds:cifar", "cifar10"),
        ("imdb_reviews", "images with a label"),
        ("coco/2017", "images with a label"),
        ("cats_vs_dogs", "several sizes"),
    ],
)
def test_names_that_are_no_labelled_images_are_refused(name, message, tmp_path):
    pytest.importorskip("tensorflow_datasets", reason="this environment has no TensorFlow")
    with pytest.raises(ValueError, match=message):
        load_data(name, data_dir=tmp_path)


def test_a_set_that_cannot_be_had_is_one_line(tmp_path, monkeypatch):
    pytest.importorskip("tensorflow_datasets", reason="this environment has no TensorFlow")
    (tmp_path / "empty").mkdir()

    def no_network(*address, **options):
        raise OSError("no network")

    # Also where there is one. It tries ten times, and waits ever longer.
    monkeypatch.setattr("urllib3.util.connection.create_connection", no_network)
    monkeypatch.setattr("urllib3.util.retry.Retry.sleep", lambda retry, response=None: None)
    with pytest.raises(OSError, match=r"fashion_mnist is not in .*manual_dir"):
        load_data("fashion_mnist", data_dir=tmp_path, manual_dir=tmp_path / "empty")


def test_the_subset_of_cifar10():
    cifar = load_data(f"npz:{archives('cifar10') / 'cifar10_lossless_subset.npz'}")
    assert (cifar.input_shape, cifar.classes, len(cifar.test)) == ((32, 32, 3), 10, 1017)
