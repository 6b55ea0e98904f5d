"""A folder of photographs: formats and modes, damage, the split, the cache."""

import io
import json
import os
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from photographs import BROKEN, ENDINGS, MODES, ORIENTATION, in_mode, mixed, photograph
from PIL import Image

from vaelib import pictures
from vaelib.data import DataError, from_folder


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pictures"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "my photos, é"
    folder.mkdir()
    for i in range(12):
        photograph(i).save(folder / f"{i}.png")
    return folder


def files(cache):
    return sorted(path.name for path in cache.iterdir())


# ---------------------------------------------------------------- one picture


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_in_every_format(mode, tmp_path):
    picture = photograph(3)
    grey = np.asarray(picture.convert("L")) / 255
    colour = np.asarray(picture).transpose(2, 0, 1) / 255
    for ending in ENDINGS[mode]:
        in_mode(picture, mode).save(tmp_path / f"a.{ending}")
        read = pictures.read(tmp_path / f"a.{ending}", (40, 60), True)
        assert read.shape == (40, 60) and read.dtype == np.float32
        lost = {"1": 0.5, "P": 0.1}.get(mode, 0.03)  # by dithering, a palette, or the format
        assert np.abs(read - grey).mean() < lost, ending
        read = pictures.read(tmp_path / f"a.{ending}", (40, 60), False)
        assert read.shape == (3, 40, 60) and 0 <= read.min() and read.max() <= 1
        if mode in ("RGB", "P", "RGBA", "CMYK"):
            assert np.abs(read - colour).mean() < max(lost, 0.04), ending


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_upright(orientation, tmp_path):
    upright = photograph(1)
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's transposition that undoes it
    back = {2: 2, 4: 4, 0: 0, 1: 1, 3: 3, 5: 5, 6: 6}
    stored = upright
    if orientation > 1:
        stored = upright.transpose(back[turns[orientation]])
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    upright.save(tmp_path / "b.png")
    one, other = (pictures.read(tmp_path / name, (40, 60), False) for name in ("a.png", "b.png"))
    np.testing.assert_array_equal(one, other)


def test_transparency_lies_on_white(tmp_path):
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "a.png")
    Image.new("LA", (8, 8), (0, 128)).save(tmp_path / "b.png")
    palette = Image.new("P", (8, 8), 3)
    palette.putpalette([0] * 768)
    palette.save(tmp_path / "c.gif", transparency=3)
    assert (pictures.read(tmp_path / "a.png", (4, 4), False) == 1).all()
    np.testing.assert_allclose(pictures.read(tmp_path / "b.png", (4, 4), True), 127 / 255)
    assert (pictures.read(tmp_path / "c.gif", (4, 4), True) == 1).all()


def test_the_middle_is_cropped_and_the_sides_keep_their_ratio(tmp_path):
    wide = np.zeros((20, 60), np.uint8)
    wide[:, 20:40] = 255
    Image.fromarray(wide).save(tmp_path / "a.png")
    assert (pictures.read(tmp_path / "a.png", (20, 20), True) == 1).all()
    assert pictures.read(tmp_path / "a.png", (10, 30), True)[:, ::29].max() == 0


@settings(max_examples=25, deadline=None)
@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    grey=st.booleans(),
    ending=st.sampled_from(["jpg", "png", "webp", "gif", "bmp", "tif"]),
)
def test_any_size_becomes_any_other(tmp_path_factory, width, height, size, grey, ending):
    path = tmp_path_factory.getbasetemp() / f"any.{ending}"
    Image.new("RGB", (width, height), (40, 90, 200)).save(path)
    read = pictures.read(path, size, grey)
    assert read.shape == (size if grey else (3, *size))
    if not grey:
        assert np.abs(read - np.array([40, 90, 200])[:, None, None] / 255).max() < 0.05


# ---------------------------------------------------------------- a folder


def test_a_mixed_folder(tmp_path):
    mixed(tmp_path / "mixed", 60)
    with pytest.warns(UserWarning) as said:
        made = from_folder(tmp_path / "mixed", (16, 24))
    (warning,) = said
    assert all(name in str(warning.message) for name in BROKEN)
    assert "60 pictures" in str(warning.message) and len(str(warning.message).splitlines()) == 1
    assert "hidden" not in str(warning.message) and "notes" not in str(warning.message)
    assert made.name == "mixed" and made.label_names == ("deserts", "hills")
    assert len(made.train) + len(made.test) == 60 and len(made.test) >= 2
    assert made.train.shape[1:] == (3, 16, 24) and made.train.dtype == torch.float32
    labels = torch.cat([made.train_labels, made.test_labels])
    assert labels.dtype == torch.int64 and labels.bincount().tolist() == [30, 30]
    with pytest.warns(UserWarning, match="cut.jpg"):  # from the cache it is said as well
        again = from_folder(tmp_path / "mixed", (16, 24))
    assert torch.equal(made.train, again.train) and torch.equal(made.test, again.test)


def test_the_labels_are_those_of_the_pictures(tmp_path):
    for i, label in enumerate(["dark", "light"] * 10):
        path = tmp_path / "p" / label / "deeper" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), 255 * (label == "light")).save(path)
    Image.new("L", (4, 4), 128).save(tmp_path / "p" / "top.png")
    made = from_folder(tmp_path / "p", 4, grey=True)
    assert made.label_names == (".", "dark", "light")
    for x, labels in ((made.train, made.train_labels), (made.test, made.test_labels)):
        assert torch.equal((x[:, 0, 0] * 2).round().long(), torch.tensor([1, 0, 2])[labels])


def test_the_split_depends_on_the_names_alone(folder, tmp_path):
    for i in range(12, 60):
        photograph(i).save(folder / f"{i}.png")
    before = from_folder(folder, 8)
    other = tmp_path / "elsewhere"
    other.mkdir()
    for path in sorted(folder.iterdir(), reverse=True):
        (other / path.name).write_bytes(path.read_bytes())
    after = from_folder(other, 8)
    assert torch.equal(before.train, after.train) and torch.equal(before.test, after.test)

    def rows(x):
        return {row.numpy().tobytes() for row in x}

    for i in range(60, 70):
        photograph(i).save(folder / f"{i}.png")
    more = from_folder(folder, 8)
    assert len(more.train) + len(more.test) == 70
    assert rows(before.train) <= rows(more.train) and rows(before.test) <= rows(more.test)


def test_a_name_is_the_same_in_both_forms_of_unicode():
    assert pictures.digest("caf\u00e9.png") == pictures.digest("cafe\u0301.png")


def test_links_are_followed_and_circles_are_not(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    photograph(99).save(outside / "linked.png")
    (folder / "link").symlink_to(outside)
    (folder / "circle").symlink_to(folder)
    (outside / "back").symlink_to(folder)
    (folder / "one.png").symlink_to(outside / "linked.png")
    found, skipped = pictures.find(folder)
    assert sorted(found) == sorted([f"{i}.png" for i in range(12)] + ["link/linked.png", "one.png"])
    assert not skipped


def test_pipes_folders_and_unreadable_files_do_not_stop_it(folder, monkeypatch):
    os.mkfifo(folder / "pipe.png")
    (folder / "folder.png").mkdir()
    opened = Image.open

    def refuse(path, **options):
        if path.name == "3.png":
            raise PermissionError(13, "Permission denied")
        return opened(path, **options)

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.warns(
        UserWarning, match=r"'3.png': '.*Permission denied', 'pipe.png': 'not a file'"
    ):
        made = from_folder(folder, 8)
    assert len(made.train) + len(made.test) == 11


def test_a_decompression_bomb_is_refused(folder):
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    (folder / "bomb.png").write_bytes(bomb.getvalue())
    with pytest.warns(UserWarning, match=r"bomb.png': '.*Image size \(400000000 pixels\) exceeds"):
        from_folder(folder, 8)


def test_names_of_any_letters(tmp_path):
    folder = tmp_path / "p"
    folder.mkdir()
    names = [b"line\nbreak.png", b"\xff\xfe.png", "\u202e\x1b[31m.png".encode(), b"a.png", b"b.png"]
    for name in names:
        content = io.BytesIO()
        photograph(1).save(content, "PNG")
        with open(os.fsencode(folder) + b"/" + name, "wb") as file:
            file.write(content.getvalue() if name != b"line\nbreak.png" else b"")
    with pytest.warns(UserWarning) as said:
        made = from_folder(folder, 8)
    assert len(made.train) + len(made.test) == 4
    assert len(str(said[0].message).splitlines()) == 1 and r"line\nbreak" in str(said[0].message)


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "others", "broken", "one"])
@pytest.mark.refuses
def test_no_pictures_is_one_clear_line(kind, tmp_path, cache):
    folder = tmp_path / "p"
    if kind == "file":
        folder.write_bytes(b"")
    elif kind != "missing":
        folder.mkdir()
    if kind == "others":
        (folder / "a.heic").write_bytes(b"x")
    if kind in ("broken", "one"):
        (folder / "a.jpg").write_bytes(b"x")
    if kind == "one":
        photograph(1).save(folder / "b.jpg")
    said = dict.fromkeys(("missing", "file"), "p is neither a folder of pictures nor one of faces")
    said |= {
        "broken": r"holds 0 pictures.*'a.jpg': .UnidentifiedImageError",
        "one": "holds 1 pictures.*four",
    }
    with pytest.raises(DataError, match=said.get(kind, r"holds 0 pictures.*JPEG, PNG")) as error:
        from_folder(folder)
    assert str(folder) in str(error.value) and len(str(error.value).splitlines()) == 1


@pytest.mark.refuses
def test_sizes_that_are_none(folder):
    for size in ((8, 8, 3), (8,), (), 0, (8, 0), (8.5, 8), "64", None):
        with pytest.raises((TypeError, ValueError)):
            from_folder(folder, size)
    with pytest.raises(ValueError, match=r"size is \(8,\); expected \(H, W\)"):
        from_folder(folder, (8,))
    assert from_folder(folder, 8).train.shape == from_folder(folder, (8, 8)).train.shape


# ---------------------------------------------------------------- the cache


def test_the_second_time_no_picture_is_read(folder, monkeypatch, cache):
    first = from_folder(folder, 8)
    monkeypatch.setattr(pictures, "read", None)
    assert torch.equal(from_folder(folder, 8).train, first.train)
    assert len(files(cache)) == 2


@pytest.mark.parametrize("change", ["changed", "added", "removed", "size", "grey", "renamed"])
def test_a_change_is_noticed_and_the_old_cache_goes(folder, change, cache):
    before = from_folder(folder, 8)
    size, grey = 8, False
    if change == "changed":  # as many bytes, at the same time
        times = (folder / "3.png").stat()
        Image.new("RGB", (60, 40)).save(folder / "3.png")
        os.utime(folder / "3.png", ns=(times.st_atime_ns, times.st_mtime_ns))
    elif change == "added":
        photograph(50).save(folder / "50.png")
    elif change == "removed":
        (folder / "3.png").unlink()
    elif change == "renamed":
        (folder / "3.png").rename(folder / "x.png")
    elif change == "size":
        size = 9
    else:
        grey = True
    after = from_folder(folder, size, grey)

    def content(d):
        return torch.cat([d.train, d.test])

    one, other = content(before), content(after)
    assert one.shape != other.shape or not torch.equal(one, other)
    assert len(files(cache)) == (4 if change in ("size", "grey") else 2)


@pytest.mark.parametrize("harm", ["cut", "facts", "empty", "no facts"])
def test_a_damaged_cache_is_made_again(folder, cache, harm):
    first = from_folder(folder, 8).train.clone()
    (images,) = cache.glob("*.float32")
    (facts,) = cache.glob("*.skipped")
    if harm == "cut":
        images.write_bytes(images.read_bytes()[:-4])
    elif harm == "no facts":
        facts.unlink()
    else:
        facts.write_text("" if harm == "empty" else "{")
    assert torch.equal(from_folder(folder, 8).train, first)


def test_interrupted_while_reading_leaves_nothing(folder, cache, monkeypatch):
    def stop(names, **_):
        yield next(iter(names))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pictures, "tqdm", stop)
        with pytest.raises(KeyboardInterrupt):
            from_folder(folder, 8)
    assert files(cache) == []
    made = from_folder(folder, 8)
    assert len(made.train) + len(made.test) == 12


def test_what_a_killed_process_left_behind_goes_in_the_end(folder, cache):
    for name, age in ((".vaelib-old", 2 * 86400), (".vaelib-new", 0)):
        (cache / name).mkdir(parents=True)
        (cache / name / "images").write_bytes(b"1234")
        then = (cache / name).stat().st_mtime - age
        os.utime(cache / name, (then, then))
    from_folder(folder, 8)
    assert ".vaelib-new" in files(cache) and ".vaelib-old" not in files(cache)


@pytest.mark.parametrize(
    "trouble", [(28, "No space left on device"), (30, "Read-only file system")]
)
@pytest.mark.refuses
def test_no_room_is_one_line(folder, cache, monkeypatch, trouble):
    def full(*_, **__):
        raise OSError(*trouble)

    monkeypatch.setattr(pictures.os, "replace", full)
    with pytest.raises(OSError, match=f"cannot write to .*pictures .*{trouble[1]}.*VAELIB_DATA"):
        from_folder(folder, 8)
    assert files(cache) == []


@pytest.mark.refuses
def test_a_cache_that_is_a_file(folder, cache):
    cache.parent.write_text("a file")
    with pytest.raises(OSError, match="VAELIB_DATA"):
        from_folder(folder, 8)


def test_the_pictures_stay_in_the_file(folder, cache):
    """Changing a tensor changes neither the file nor the next load, and no picture is copied."""
    made = from_folder(folder, 8)
    together = made.train.untyped_storage().nbytes()
    assert together == made.test.untyped_storage().nbytes() == 4 * 12 * 3 * 64
    made.train.zero_()
    assert from_folder(folder, 8).train.max() > 0


def test_it_depends_on_no_setting_of_torch(folder):
    first = from_folder(folder, 8)
    state = torch.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode(), torch.device("meta"):
            again = from_folder(folder, 8)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(first.train, again.train) and not again.train.is_inference()
    assert again.train.dtype == torch.float32 and torch.equal(torch.get_rng_state(), state)


@settings(max_examples=100, deadline=None)
@given(names=st.lists(st.text(min_size=1), min_size=4, max_size=60, unique=True))
def test_there_is_always_something_to_train_on_and_to_test_with(names):
    count = pictures.n_test(sorted(names, key=pictures.digest))
    assert 2 <= count < len(names)


def test_no_warning_but_the_one_about_what_is_skipped(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from_folder(folder, 8)


def test_what_was_skipped_is_plain_json(folder, cache):
    (folder / "cut.jpg").write_bytes(b"x")
    with pytest.warns(UserWarning, match="cut.jpg"):
        from_folder(folder, 8)
    (facts,) = cache.glob("*.skipped")
    assert [*json.loads(facts.read_text())] == ["cut.jpg"]
