"""Data sets as promised, and mirrors that are dead, slow, cut short or lie."""

import contextlib
import dataclasses
import gzip
import hashlib
import http.server
import os
import re
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from inputs import HOME, generator

from vaelib import checkpoint, data, faces
from vaelib.data import DataError, binarise, cache_folder, load, shipped

GENUINE = HOME.parent / "shared" / "data" / "mnist"


# ---------------------------------------------------------------- what comes with the project


def test_faces():
    before = torch.get_rng_state()
    one, again = load("faces"), load("faces")
    assert torch.equal(torch.get_rng_state(), before), "the global generator was used"
    assert one.name == "faces" and one.factor_names == ("expression", "pose")
    assert one.train_labels is None and one.test_labels is None
    for x, factors, count in (
        (one.train, one.train_factors, 4000),
        (one.test, one.test_factors, 1000),
    ):
        assert x.shape == (count, 32, 32) and x.dtype == torch.float32
        assert factors.shape == (count, 2) and factors.dtype == torch.float32
        assert x.min() >= 0 and x.max() <= 1 and x.max() - x.min() > 0.5
        # uniform in [−1, 1], the two independent: mean 0 ± 1/√3n, and its spread 1/√3
        assert factors.abs().max() <= 1 and factors.abs().max() > 0.99
        assert (factors.mean(0).abs() < 4.5 / (3 * count) ** 0.5).all()
        assert ((factors.std(0) - 3**-0.5).abs() < 0.02).all()
        assert abs(np.corrcoef(factors.T)[0, 1]) < 4.5 / count**0.5
        torch.testing.assert_close(x[:5], faces.render(factors[:5, 0], factors[:5, 1]))
    assert torch.equal(one.train, again.train) and torch.equal(one.test_factors, again.test_factors)
    assert len({x.tobytes() for x in one.train_factors.numpy()}) == 4000
    seen = {x.tobytes() for x in one.train_factors.numpy()}
    assert not any(x.tobytes() in seen for x in one.test_factors.numpy()), "a test face is trained"


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    one, bunch = load("digits"), load_digits()
    assert one.train.shape == (1437, 8, 8) and one.test.shape == (360, 8, 8)
    assert one.train_factors is None and one.factor_names is None
    together = torch.cat([one.train, one.test])
    assert together.dtype == torch.float32 and together.min() == 0 and together.max() == 1
    np.testing.assert_allclose(together, bunch.images / 16)
    labels = torch.cat([one.train_labels, one.test_labels])
    assert labels.dtype == torch.int64
    np.testing.assert_array_equal(labels, bunch.target)


def test_data_cannot_be_changed_by_mistake():
    with pytest.raises(AttributeError):
        load("digits").train = torch.zeros(1, 8, 8)


@pytest.mark.parametrize("name", ["faces", "digits"])
def test_the_data_depend_on_no_setting_of_torch(name):
    first = load(name)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        # With another default device every operation is slower, and the faces take thousands.
        device = contextlib.nullcontext() if name == "faces" else torch.device("meta")
        with torch.inference_mode(), device:
            again = load(name)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.get_rng_state(), state)
    for field in dataclasses.fields(first):
        one, other = getattr(first, field.name), getattr(again, field.name)
        if isinstance(one, torch.Tensor):
            assert torch.equal(one, other) and one.dtype == other.dtype
            assert not other.is_inference() and not other.requires_grad
        else:
            assert one == other


X, TWO = torch.full((3, 4, 4), 0.5), torch.zeros(3, 2)
LABELS = torch.tensor([0, 1, 2])
WRONG = {
    "no pixels": ({"train": X[:, :0], "test": X[:, :0]}, ValueError, "train.*one example or more"),
    "no test": ({"test": X[:0]}, ValueError, "test.*one example or more"),
    "other size": ({"test": X[:, 1:]}, ValueError, r"test has shape \(3, 3, 4\).*\(N, 4, 4\)"),
    "other dtype": ({"test": X.double()}, TypeError, r"float64; expected torch.float32: say test"),
    "one image": ({"train": X[0, 0]}, ValueError, r"\(4,\); expected \(N, H, W\)"),
    "nan": ({"test": X * torch.nan}, ValueError, "test holds 48 values that are NaN"),
    "range": ({"train": X * 510}, ValueError, r"\[255, 255\].*say train / 255"),
    "last": (
        {"train": torch.zeros(3, 8, 8, 3), "test": torch.zeros(3, 8, 8, 3)},
        ValueError,
        r"say train\.movedim\(-1, 1\)",
    ),
    "factors": ({"train_factors": TWO[:2]}, ValueError, r"train_factors.*\(2, 2\).*\(3, F\)"),
    "factor names": ({"factor_names": ("a",), "test_factors": TWO}, ValueError, r"\(3, 1\)"),
    "factor nan": ({"test_factors": TWO / 0}, ValueError, "NaN"),
    "factor ints": ({"test_factors": TWO.int()}, TypeError, r"say test_factors\.to"),
    "labels": ({"train_labels": LABELS[:2]}, ValueError, r"int64 of shape \(2,\); expected"),
    "label floats": ({"test_labels": LABELS.float()}, ValueError, "float32.*expected torch.int64"),
    "label list": ({"test_labels": [0, 1, 2]}, ValueError, "list.*expected torch.int64"),
    "label names": (
        {"test_labels": LABELS, "label_names": ("a", "b")},
        ValueError,
        "expected 0 to 1",
    ),
}


@pytest.mark.refuses
@pytest.mark.parametrize("wrong", WRONG)
def test_data_is_checked_when_it_is_made(wrong):
    options, error, message = WRONG[wrong]
    with pytest.raises(error, match=message):
        data.Data(**{"name": "made", "train": X, "test": X, **options})


def test_data_that_are_right():
    for x in (X, X.double(), X[:, None], X.flatten(1) * 100, torch.rand(3, 1, 2, 2)):
        assert data.Data("made", x, x[:1], test_labels=LABELS[:1]).train is x
    assert len(data.Data("made", X[:0], X).train) == 0  # a sample with nothing to train on


@pytest.mark.refuses
def test_unknown_names():
    for name in ("cifar", "Faces", ""):
        with pytest.raises(ValueError, match=rf"'{name}'.*faces.*digits.*mnist"):
            load(name)
    with pytest.raises(DataError, match=r"nothing\.here"):
        shipped("nothing.here")


def test_binarise_draws_with_the_probabilities_it_is_given():
    x = torch.tensor([0.0, 1e-3, 0.3, 0.9, 1.0], dtype=torch.float64)
    count = 100_000
    drawn = binarise(x.expand(count, 5), generator(1))
    assert drawn.dtype == torch.float64 and set(drawn.unique().tolist()) == {0.0, 1.0}
    assert ((drawn.mean(0) - x).abs() <= 4.5 * (x * (1 - x) / count).sqrt()).all()
    assert abs(np.corrcoef(drawn[:, 2:4].T)[0, 1]) < 4.5 / count**0.5


def test_binarise_belongs_to_its_generator():
    x, before = torch.rand(50, generator=generator()), torch.get_rng_state()
    one, same, other = (binarise(x, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)
    assert one.dtype == torch.float32 and not torch.equal(one, x)


# ---------------------------------------------------------------- mnist


@pytest.mark.skipif(not GENUINE.is_dir(), reason="the genuine MNIST files are not beside the clone")
def test_genuine_mnist(monkeypatch):
    monkeypatch.setenv("VAELIB_DATA", str(GENUINE))
    mnist = load("mnist")
    assert mnist.train.shape == (60_000, 28, 28) and mnist.test.shape == (10_000, 28, 28)
    assert mnist.train.dtype == torch.float32 and mnist.train_labels.dtype == torch.int64
    assert (mnist.train.min(), mnist.train.max()) == (0, 1)
    assert mnist.train.mean().item() == pytest.approx(0.1307, abs=1e-4)  # widely known
    assert mnist.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert torch.bincount(mnist.train_labels).tolist() == [
        *(5923, 6742, 5958, 6131, 5842),
        *(5421, 5918, 6265, 5851, 5949),
    ]
    # a one is narrow: upright, and rows before columns
    ones = mnist.train[mnist.train_labels == 1].mean(0)
    assert (ones.sum(0) > 0.5).sum() < (ones.sum(1) > 0.5).sum()


def test_hashes_are_the_published_ones():
    assert {name: digest[:8] for name, digest in data.MNIST.items()} == {
        "train-images-idx3-ubyte": "ba891046",
        "train-labels-idx1-ubyte": "65a50cbb",
        "t10k-images-idx3-ubyte": "0fa7898d",
        "t10k-labels-idx1-ubyte": "ff7bcfd4",
    }
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in data.MNIST.values())
    assert len(data.MIRRORS) >= 2 and all(m.startswith("https://") for m in data.MIRRORS)


def idx(array: np.ndarray) -> bytes:
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


ARRAYS = {
    "train-images-idx3-ubyte": np.random.default_rng(0).integers(0, 256, (7, 28, 28)),
    "train-labels-idx1-ubyte": np.arange(7),
    "t10k-images-idx3-ubyte": np.random.default_rng(1).integers(0, 256, (3, 28, 28)),
    "t10k-labels-idx1-ubyte": np.arange(3),
}
RAW = {name: idx(array) for name, array in ARRAYS.items()}
PACKED = {name: gzip.compress(raw) for name, raw in RAW.items()}
IMAGES = "train-images-idx3-ubyte"


class Mirror:
    """A web server on this machine with some files; `asked` lists what it was asked for."""

    def __init__(self, files: dict[str, bytes], promised: int = 0) -> None:
        self.asked: list[str] = []
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.rsplit("/", 1)[-1]
                mirror.asked.append(name)
                if name not in files:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(files[name]) + promised))
                self.end_headers()
                self.wfile.write(files[name])

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/mnist/"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def packed(**other: bytes) -> dict[str, bytes]:
    """The files as a mirror has them, some of them others; `images` is the first."""
    files = {f"{name}.gz": content for name, content in PACKED.items()}
    return files | ({f"{IMAGES}.gz": other["images"]} if other else {})


@pytest.fixture
def little(monkeypatch, tmp_path):
    """An MNIST of ten images, whose true hashes are known, and an empty cache folder."""
    digests = {name: hashlib.sha256(raw).hexdigest() for name, raw in RAW.items()}
    monkeypatch.setattr(data, "MNIST", digests)
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return tmp_path / "cache"


@pytest.fixture
def mirrors(monkeypatch):
    """Start mirrors with such files and have them asked in this order."""
    running = []

    def start(*kinds: dict[str, bytes], promised: int = 0) -> list[Mirror]:
        running.extend(Mirror(files, promised) for files in kinds)
        monkeypatch.setattr(data, "MIRRORS", tuple(m.address for m in running))
        return running

    yield start
    for mirror in running:
        mirror.close()


def names_in(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


def check_little(mnist: data.Data) -> None:
    np.testing.assert_allclose(mnist.train, ARRAYS[IMAGES] / 255, rtol=1e-6)
    np.testing.assert_allclose(mnist.test, ARRAYS["t10k-images-idx3-ubyte"] / 255, rtol=1e-6)
    assert mnist.train_labels.tolist() == list(range(7))
    assert mnist.test_labels.tolist() == [0, 1, 2]


def test_download_once(little, mirrors):
    (mirror,) = mirrors(packed())
    check_little(load("mnist", download=True))
    assert sorted(mirror.asked) == sorted(packed())
    assert names_in(little) == sorted(f"mnist/{name}" for name in packed())
    assert not [p for p in little.rglob("*") if p.name.startswith(".")]
    check_little(load("mnist", download=True))
    check_little(load("mnist"))
    assert len(mirror.asked) == 4, "a file was asked for twice"


def test_what_is_there_already_is_not_downloaded(little, mirrors):
    (little / "mnist").mkdir(parents=True)
    (little / "mnist" / IMAGES).write_bytes(RAW[IMAGES])  # not compressed, as some mirrors give it
    (mirror,) = mirrors(packed())
    check_little(load("mnist", download=True))
    assert f"{IMAGES}.gz" not in mirror.asked and len(mirror.asked) == 3


def test_files_in_the_folder_itself(little):
    little.mkdir()
    for name, content in PACKED.items():
        (little / f"{name}.gz").write_bytes(content)
    check_little(load("mnist"))


LIES = {
    "missing": {},
    "another file": packed(images=gzip.compress(b"an error page of a hotel's network")),
    "not gzip": packed(images=b"<html>please log in</html>"),
    "empty": packed(images=b""),
    "cut": packed(images=PACKED[IMAGES][: len(PACKED[IMAGES]) // 2]),
    "one bit": packed(images=gzip.compress(RAW[IMAGES][:-1] + bytes([RAW[IMAGES][-1] ^ 1]))),
}


@pytest.mark.refuses
@pytest.mark.parametrize("lie", LIES)
def test_a_mirror_that_lies_is_passed_over_and_nothing_of_it_kept(little, mirrors, lie):
    bad, good = mirrors(LIES[lie], packed())
    check_little(load("mnist", download=True))
    assert f"{IMAGES}.gz" in bad.asked and f"{IMAGES}.gz" in good.asked
    assert names_in(little) == sorted(f"mnist/{name}" for name in packed())
    for name, content in PACKED.items():
        assert gzip.decompress((little / "mnist" / f"{name}.gz").read_bytes()) == RAW[name], content


@pytest.mark.refuses
def test_a_connection_that_breaks_off(little, mirrors):
    mirrors(packed(), promised=100)
    with pytest.raises(DataError, match="could not be downloaded"):
        load("mnist", download=True)
    assert names_in(little) == []


@pytest.mark.refuses
def test_a_dead_mirror_is_passed_over(little, mirrors, monkeypatch):
    (dead, good) = mirrors({}, packed())
    dead.server.server_close()  # nothing listens there any more
    check_little(load("mnist", download=True))
    assert len(good.asked) == 4


@pytest.mark.refuses
def test_no_mirror_at_all_says_what_each_answered(little, mirrors):
    one, two = mirrors({}, LIES["not gzip"])
    with pytest.raises(DataError) as error:
        load("mnist", download=True)
    said = str(error.value)
    assert IMAGES in said and one.address in said and two.address in said
    assert "404" in said and "network" in said
    assert names_in(little) == [], "something half-written was left behind"
    with pytest.raises(DataError, match="download=True"):
        load("mnist")


@pytest.mark.refuses
def test_interrupted_while_downloading_leaves_nothing(little, mirrors, monkeypatch):
    import pooch

    def stop(url, known_hash, fname, path, **_):
        Path(path, fname).write_bytes(PACKED[IMAGES][:100])
        raise KeyboardInterrupt

    mirrors(packed())
    monkeypatch.setattr(pooch, "retrieve", stop)
    with pytest.raises(KeyboardInterrupt):
        load("mnist", download=True)
    assert names_in(little) == []
    assert list((little / "mnist").iterdir()) == []


@pytest.mark.refuses
def test_missing_says_how_to_get_it(little):
    with pytest.raises(DataError) as error:
        load("mnist")
    for word in (IMAGES, str(little), "download=True", "VAELIB_DATA"):
        assert word in str(error.value)
    assert not little.exists(), "looking made a folder"


DAMAGES = {
    "cut": PACKED[IMAGES][:-20],
    "empty": b"",
    "not gzip": b"<html>",
    "another": gzip.compress(RAW[IMAGES][:-1] + b"\x00" + b"\x00"),
    "checksum": PACKED[IMAGES][:-8] + b"\x00" * 8,
    "middle": PACKED[IMAGES][:100] + b"\x00" * 50 + PACKED[IMAGES][150:],
}


@pytest.mark.refuses
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("download", [False, True])
def test_a_damaged_file_is_named_with_what_to_do(little, mirrors, damage, download):
    (mirror,) = mirrors(packed())
    (little / "mnist").mkdir(parents=True)
    for name, content in PACKED.items():
        (little / "mnist" / f"{name}.gz").write_bytes(content)
    path = little / "mnist" / f"{IMAGES}.gz"
    path.write_bytes(DAMAGES[damage])
    with pytest.raises(DataError, match=r"(?i)damaged.*delete it and download") as error:
        load("mnist", download=download)
    assert str(path) in str(error.value)
    assert path.read_bytes() == DAMAGES[damage] and mirror.asked == []


@pytest.mark.refuses
def test_a_wrong_hash_is_reported_with_the_right_one(little):
    (little / "mnist").mkdir(parents=True)
    (little / "mnist" / IMAGES).write_bytes(b"somebody else's data")
    given = hashlib.sha256(b"somebody else's data").hexdigest()
    with pytest.raises(DataError, match=f"{given}.*expected {data.MNIST[IMAGES]}"):
        load("mnist")


@pytest.mark.refuses
def test_files_of_another_data_set_are_not_called_damaged(little):
    """Fashion-MNIST's and KMNIST's have the same names and the same form."""
    (little / "mnist").mkdir(parents=True)
    for name in RAW:
        other = {"images": np.zeros((4, 28, 28)), "labels": np.zeros(4)}[name.split("-")[1]]
        (little / "mnist" / f"{name}.gz").write_bytes(gzip.compress(idx(other)))
        said = f"{name}.gz is a well-formed IDX file, but not MNIST's.*Fashion-MNIST, KMNIST"
        with pytest.raises(DataError, match=said) as error:
            load("mnist")
        assert len(str(error.value).splitlines()) == 1
        (little / "mnist" / f"{name}.gz").write_bytes(PACKED[f"{name}"])


@pytest.mark.parametrize("place", ["", "mnist", "MNIST/raw"])
@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("dash", ["-idx", ".idx"])
def test_files_are_found_by_the_names_that_mirrors_give_them(little, place, ending, dash):
    (little / place).mkdir(parents=True)
    for name in RAW:
        content = PACKED[name] if ending else RAW[name]
        (little / place / f"{name.replace('-idx', dash)}{ending}").write_bytes(content)
    check_little(load("mnist"))


@pytest.mark.refuses
def test_a_folder_that_cannot_be_written(little, mirrors, monkeypatch):
    (mirror,) = mirrors(packed())
    little.write_text("a file where the folder should be")
    with pytest.raises(OSError, match=r"cannot write to .*cache.*VAELIB_DATA"):
        load("mnist", download=True)
    assert mirror.asked == [] and little.read_text() == "a file where the folder should be"

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setenv("VAELIB_DATA", str(little.parent / "other"))
    monkeypatch.setattr(checkpoint.tempfile, "TemporaryDirectory", refuse)
    with pytest.raises(OSError, match=r"other.*Read-only file system.*VAELIB_DATA"):
        load("mnist", download=True)
    assert mirror.asked == []


@pytest.mark.refuses
def test_a_full_disk_at_the_last_moment(little, mirrors, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    mirrors(packed())
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DataError, match="No space left"):
        load("mnist", download=True)
    assert names_in(little) == []


def test_cache_folder_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("VAELIB_DATA", "~/somewhere")
    assert cache_folder() == Path.home() / "somewhere"
    monkeypatch.delenv("VAELIB_DATA")
    assert "vaelib" in cache_folder().parts[-1] and cache_folder().is_absolute()
