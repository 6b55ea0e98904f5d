"""The race: its tables, and how races made at different times are put together."""

import json
import sys
from dataclasses import asdict

import pytest

from benchmarks import race
from benchmarks.racers import RACERS


def report(seconds: float, elbo: float = -100.0, compile_seconds: float = 0.0) -> dict[str, float]:
    return {
        "seconds": seconds,
        "cpu": 2 * seconds,
        "elbo": elbo,
        "compile_seconds": compile_seconds,
    }


def made(factor: float = 1.0) -> race.Race:
    """A race of three rounds in which the compiled engine gets faster from round to round."""
    epochs = {
        "plain loop": [report(9.0), report(2.0), report(4.0)],
        "pythae": [report(9.0)],
        "vaelib compiled": [report(9.0, compile_seconds=20.0), report(1.0), report(factor)],
    }
    about = {"date": "2026-11-27", "machine": "A, 2 cores", "load": "1.0"}
    return race.Race(about, "dense", 1000, 3, epochs)


def rows(text: str) -> dict[str, list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    return {row[0]: row[1:] for row in cells}


def test_the_first_epoch_is_not_counted_and_ratios_are_taken_within_a_round():
    found = rows(race.times_table([made()]))
    assert found["loop"][3:] == ["times plain loop", "ELBO at the end", "s to compile"]
    assert found["plain loop"][1] == "3.00 (2.00 to 4.00)"
    assert found["vaelib compiled"][3:] == ["3.00 (2.00 to 4.00)", "−100.00", "20.0"]
    assert rows(race.ratios_table([made()]))["plain loop"] == ["3.00 (2.00 to 4.00)"]


def test_a_racer_that_failed_is_named_as_missing():
    assert rows(race.times_table([made()]))["pythae"][1].startswith("missing")
    assert "pythae" not in rows(race.ratios_table([made()]))


def test_several_races_give_the_range_of_their_medians():
    found = rows(race.times_table([made(1.0), made(3.0)]))
    assert found["vaelib compiled"][1] == "1.50 (1.00 to 2.00)"
    assert found["vaelib compiled"][3] == "2.33 (1.67 to 3.00)"


def test_merge_reads_what_json_wrote(tmp_path, monkeypatch, capsys):
    paths = []
    for name, factor in (("a", 1.0), ("b", 3.0)):
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps(asdict(made(factor))))
    monkeypatch.setattr(sys, "argv", ["race", "--merge", *map(str, paths)])
    race.main()
    assert capsys.readouterr().out == race.show([made(1.0), made(3.0)]) + "\n"


def test_races_of_different_sizes_are_not_merged(tmp_path, monkeypatch, capsys):
    other = made()
    other.images = 500
    for name, found in (("a", made()), ("b", other)):
        (tmp_path / f"{name}.json").write_text(json.dumps(asdict(found)))
    arguments = ["race", "--merge", str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit):
        race.main()
    assert "do not compare" in capsys.readouterr().err


def test_every_baseline_is_a_racer():
    assert {*race.BASELINES} <= {*RACERS["dense"], *RACERS["conv"]}
