"""The command line, as a user types it."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import torch
from photographs import mixed

import vaelib
from vaelib import checkpoint, cli, commands, data, models, training
from vaelib.cli import main


def run(*words, **environment):
    return subprocess.run(
        [sys.executable, "-m", "vaelib", *words],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A short run on the digits."""
    folder = tmp_path_factory.mktemp("run") / "digits"
    words = ["train", "--data", "digits", "--epochs", "3", "--seed", "4", "--out", str(folder)]
    assert main([*words, "--quiet"]) == 0
    return folder


def test_train_reports_the_elbo_and_its_terms(tmp_path, capsys):
    words = ["train", "--data", "digits", "--epochs", "1", "--quiet", "--out", str(tmp_path)]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    terms = {line.split()[0]: float(line.split()[1]) for line in lines if line[:1] in "ErK"}
    assert terms["ELBO"] == pytest.approx(terms["reconstruction"] - terms["KL"], abs=0.011)
    facts = json.loads((tmp_path / "run.json").read_text())
    assert facts["data"] == "digits" and len(facts["history"]["elbo"]) == 1


def test_only_options_on_the_command_line_are_passed_to_fit(monkeypatch, tmp_path):
    class Seen(Exception):
        pass

    def fit(vae, x, **options):
        seen.append(options)
        raise Seen

    seen = []
    monkeypatch.setattr(training, "fit", fit)
    monkeypatch.setattr(training, "fit_faces", fit)
    words = ["--lr", "0.1", "--beta", "2", "--warmup", "4", "--batch-size", "7", "--quiet"]
    words += ["--engine", "compiled", "--precision", "bfloat16", "--out", str(tmp_path)]
    for arguments in (["--data", "digits"], [], ["--epochs", "5", *words]):
        with pytest.raises(Seen):
            main(["train", *arguments])
    plain = {"seed": 0, "device": "auto", "progress": True}
    assert seen[0] == plain | {"epochs": 100, "binarise": True}
    assert seen[1] == plain | {"binarise": False}
    beta = seen[2].pop("beta")
    assert [beta(step) for step in (0, 2, 4, 9)] == [0.0, 1.0, 2.0, 2.0]
    assert seen[2] == {
        **{"seed": 0, "device": "auto", "progress": False, "binarise": False},
        **{"epochs": 5, "batch_size": 7, "lr": 0.1},
        **{"engine": "compiled", "precision": "bfloat16"},
        "checkpoint": tmp_path / "checkpoint.safetensors",
    }


def test_train_shows_a_bar_unless_told_to_be_quiet(capsys):
    words = ["train", "--data", "digits", "--epochs", "1"]
    assert main(words) == 0
    assert "step" in capsys.readouterr().err
    assert main([*words, "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_evaluate_prints_a_table_and_json(folder, capsys):
    assert main(["evaluate", str(folder), "--samples", "3", "30"]) == 0
    text = capsys.readouterr().out
    assert "IW-30" in text and "KL" in text
    assert main(["evaluate", str(folder), "--samples", "3", "30", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["elbo"] == pytest.approx(result["reconstruction"] - result["kl"], abs=1e-3)
    assert sum(result["kl_per_dim"]) == pytest.approx(result["kl"], abs=1e-3)
    assert list(result["bounds"]) == ["ELBO", "IW-3", "IW-30"]
    assert result["factor_alignment"] is None


def test_evaluate_faces_gives_the_factors(capsys):
    assert main(["evaluate", "faces", "--samples", "5", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    table = torch.tensor(result["factor_alignment"])
    assert result["factor_names"] == ["expression", "pose"]
    assert table.shape == (len(result["kl_per_dim"]), 2)
    assert (table.max(0).values > 0.97).all()
    assert table[:, 0].argmax() != table[:, 1].argmax()


def test_a_finished_run_trains_no_more_and_a_longer_one_is_resumed(folder, capsys):
    words = ["train", "--data", "digits", "--seed", "4", "--out", str(folder), "--quiet"]
    assert main([*words, "--epochs", "3"]) == 0
    before = capsys.readouterr().out
    assert "resuming it" in before
    assert main([*words, "--epochs", "4"]) == 0
    assert len(json.loads((folder / "run.json").read_text())["history"]["elbo"]) == 4


def test_explore_writes_one_page(folder, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["explore", str(folder), "--html", str(page), "--no-browser"]) == 0
    assert str(page) in capsys.readouterr().out
    assert page.read_text().lstrip().lower().startswith("<!doctype html>")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of pictures of every kind, and a run of one epoch on it."""
    home = tmp_path_factory.mktemp("photos")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VAELIB_DATA", str(home / "cache"))
        mixed(home / "photos", 40)
        words = ["train", "--data", str(home / "photos"), "--out", str(home / "run"), "--quiet"]
        assert main([*words, "--epochs", "2", "--size", "16", "24"]) == 0
        yield home


def test_from_a_folder_of_pictures_to_a_page_in_three_commands(photos, capsys):
    facts = json.loads((photos / "run" / "run.json").read_text())
    assert facts["data"] == str(photos / "photos")
    vae = checkpoint.load_vae(photos / "run")
    assert vae.shape == (3, 16, 24) and vae.config["maker"] == "conv"
    assert vae.config["learn_sigma_x"] and vae.decoder.sigma_x != 0.2
    assert main(["evaluate", str(photos / "run"), "--samples", "2"]) == 0
    said = capsys.readouterr()
    assert "IW-2" in said.out and said.err.startswith("vaelib evaluate: ")
    assert "cut.jpg" in said.err and len(said.err.splitlines()) == 1
    page = photos / "page.html"
    assert main(["explore", str(photos / "run"), "--html", str(page), "--no-browser"]) == 0
    assert all(word in page.read_text() for word in ("photos", "deserts", "hills"))


def test_a_run_of_pictures_that_have_moved(photos, tmp_path, capsys):
    other = tmp_path / "elsewhere"
    shutil.copytree(photos / "photos", other, symlinks=True)
    run = tmp_path / "run"
    shutil.copytree(photos / "run", run)
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(facts | {"data": str(tmp_path / "gone")}))
    assert main(["evaluate", str(run), "--samples", "2"]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / 'gone'} is neither a folder" in said and len(said.splitlines()) == 1
    words = ["evaluate", str(run), "--samples", "2"]
    assert main([*words, "--data", str(other)]) == 0
    moved = capsys.readouterr().out
    assert main(["evaluate", str(photos / "run"), "--samples", "2"]) == 0
    assert capsys.readouterr().out == moved
    (run / "run.json").unlink()
    assert main([*words, "--data", str(other)]) == 0, "size and colour are the model's"


def test_sizes_that_convolutions_cannot_halve(photos, capsys):
    words = ["train", "--data", str(photos / "photos"), "--quiet", "--epochs", "1", "--size"]
    assert main([*words, "15", "16"]) == 2
    assert "shape is (3, 15, 16); expected" in capsys.readouterr().err
    for size in (["12", "20"], ["6"]):
        assert main([*words, *size]) == 0
    assert main([*words, "15", "16", "--model", "dense", "--hidden", "5", "--grey"]) == 0


FACES = ["train", "--epochs", "1"]
DIGITS = [*FACES, "--data", "digits"]
USELESS = {
    "--sigma-x": [*DIGITS, "--sigma-x", "0.1"],
    "--hidden": [*FACES, "--model", "conv", "--hidden", "5"],
    "--channels": [*FACES, "--channels", "5"],
    "--warmup": [*FACES, "--warmup", "5", "--beta", "0"],
    "--size": [*DIGITS, "--size", "8"],
    "--grey": [*FACES, "--grey"],
    "--download": [*DIGITS, "--download"],
    "8, 8": ["evaluate", "faces", "--data", "digits"],
    "--download ": ["explore", "faces", "--download", "--no-browser"],
}


@pytest.mark.parametrize("option", USELESS)
def test_an_option_without_effect_is_refused(option, capsys, tmp_path):
    out = ["--out", str(tmp_path / "run")] if USELESS[option][0] == "train" else []
    assert main([*USELESS[option], *out]) == 2
    error = capsys.readouterr().err
    assert option.strip() in error and len(error.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_every_command_has_one_example_that_it_understands(capsys):
    for words in ([], ["train"], ["evaluate"], ["explore"], ["doctor"]):
        with pytest.raises(SystemExit) as left:
            main([*words, "--help"])
        (example,) = re.findall(r"example: python -m vaelib (.*)", capsys.readouterr().out)
        assert left.value.code == 0 and example.startswith((words or ["train"])[0])
        cli.parser().parse_args(example.split())


def test_version(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0 and capsys.readouterr().out == f"vaelib {vaelib.__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["tarin"],
        ["train", "--epochs", "many"],
        ["train", "--model", "lstm"],
        ["evaluate"],
        ["evaluate", "faces", "--size", "8"],
        ["train", "--nonsense"],
    ],
)
def test_a_word_that_is_not_understood_is_one_line(words, capsys):
    with pytest.raises(SystemExit) as left:
        main(words)
    error = capsys.readouterr().err
    assert left.value.code == 2 and len(error.splitlines()) == 1 and "--help" in error


@pytest.mark.parametrize("command", ["train", "evaluate", "explore"])
def test_ctrl_c_is_130(command, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, command, stop)
    assert main([command, *(["run"] if command != "train" else [])]) == 130
    assert capsys.readouterr().err == f"vaelib {command}: interrupted\n"


def test_a_run_of_other_data_is_left_alone(folder, photos, capsys):
    before = (folder / "run.json").read_bytes()
    for name in ("faces", str(photos / "photos")):
        out = ["--out", str(folder), "--epochs", "1", "--quiet"]
        assert main(["train", "--data", name, *out]) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert f"{folder / checkpoint.NAME} is for another model" in error
    assert (folder / "run.json").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["train", "--data", "imagenet"],
            "imagenet is neither a folder of pictures nor one of faces, digits",
        ),
        (["train", "--data", "/dev/null"], "/dev/null is neither a folder"),
        (["evaluate", "/nowhere/at/all"], "there is no checkpoint"),
        (["train", "--data", "digits", "--latent-dim", "0"], "expected at least 1"),
        (["train", "--data", "digits", "--device", "abacus"], "abacus"),
        (["train", "--data", "digits", "--lr", "nan"], "lr is nan"),
        (["train", "--data", "digits", "--epochs", "0"], "epochs is 0"),
        (["train", "--data", "digits", "--warmup", "-1"], "warmup is -1"),
        (["evaluate", "faces", "--samples", "0"], "n_samples is 0"),
        (["train", "--data", "digits", "--out", "/dev/null/folder"], "/dev/null/folder"),
    ],
)
@pytest.mark.refuses
def test_bad_input_is_one_line_and_exit_code_2(words, said, capsys):
    assert main([*words, *(["--quiet"] if words[0] == "train" else [])]) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error and len(error.splitlines()) == 1


def test_another_seed_is_refused_and_the_run_is_left_alone(folder, capsys):
    before = (folder / "checkpoint.safetensors").read_bytes()
    words = ["train", "--data", "digits", "--epochs", "3", "--seed", "5", "--out", str(folder)]
    assert main([*words, "--quiet"]) == 2
    assert "seed was 4, is 5" in capsys.readouterr().err
    assert (folder / "checkpoint.safetensors").read_bytes() == before


def test_mnist_that_is_missing_says_what_to_do(tmp_path):
    done = run("train", "--data", "mnist", VAELIB_DATA=str(tmp_path))
    assert done.returncode == 2
    assert "--download" in done.stderr and str(tmp_path) in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_run_made_in_python_is_opened_as_a_file_and_as_a_folder(tmp_path, capsys):
    """It has no run.json: its data have to be said, and the page lies beside the file."""
    vae, digits = models.dense((8, 8), 2), data.load("digits")
    file = tmp_path / "mine" / checkpoint.NAME
    training.fit(vae, digits.train, epochs=1, progress=False, checkpoint=file)
    for run in (file, file.parent):
        assert main(["evaluate", str(run)]) == 2
        said = capsys.readouterr().err
        assert f"{run} does not say which data" in said and "--data" in said
        assert len(said.splitlines()) == 1
        words = [str(run), "--data", "digits"]
        assert main(["evaluate", *words, "--samples", "2"]) == 0
        assert main(["explore", *words, "--no-browser"]) == 0
        page = file.parent / "explorer.html"
        assert str(page) in capsys.readouterr().out and page.is_file()
        page.unlink()
