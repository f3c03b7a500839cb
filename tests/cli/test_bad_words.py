"""Words that no command can work with are refused, and nothing is changed on the way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

NO_TEXT = "caf\udce9"  # how Python gives a word of bytes that are no UTF-8


@pytest.mark.parametrize("option", ["--consent", "--name"])
def test_what_is_no_text_is_refused(
    run: Any, world: Any, clip: Any, capsys: Any, option: str
) -> None:
    words = {"--consent": "yes", "--name": "Anna", option: NO_TEXT}
    arguments = [part for pair in words.items() for part in pair]
    assert run("enrol", "anna", clip(1), "--config", world.site, *arguments) == 2
    assert "UTF-8" in capsys.readouterr().err
    assert not (world.folder / "state").exists()


def test_a_file_whose_name_is_no_text_enrols(
    run: Any, world: Any, clip: Any, tmp_path: Path, capsys: Any
) -> None:
    path = clip(1).rename(tmp_path / f"{NO_TEXT}.mp4")
    assert run("enrol", "anna", path, "--config", world.site, "--consent", "yes") == 0
    assert "caf?.mp4" in capsys.readouterr().out
    assert run("gallery", "show", "anna", "--config", world.site, "--json") == 0
    (template,) = json.loads(capsys.readouterr().out)["templates"]
    assert template["source"] == "caf?.mp4"


@pytest.mark.parametrize("command", ["replay", "enrol", "list", "erase", "check"])
def test_a_state_folder_whose_name_is_too_long_is_refused(
    run: Any, world: Any, clip: Any, capsys: Any, command: str
) -> None:
    world.edit('"state"', f'"{"x" * 300}"')
    words: dict[str, list[object]] = {
        "replay": ["replay", clip(1)],
        "enrol": ["enrol", "anna", clip(1), "--consent", "yes"],
        "list": ["gallery", "list"],
        "erase": ["gallery", "erase", "anna"],
        "check": ["gallery", "check"],
    }
    assert run(*words[command], "--config", world.site) == 2
    assert "File name too long" in capsys.readouterr().err


def test_the_doctor_says_of_such_a_folder_what_is_wrong(run: Any, world: Any, capsys: Any) -> None:
    world.edit('"state"', f'"{"x" * 300}"')
    assert run("doctor", "--config", world.site, "--json") == 1
    found = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert found["state folder"]["state"] == "failed"
    assert "File name too long" in found["state folder"]["found"]


@pytest.mark.parametrize("start", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_a_start_at_the_edge_of_time_is_refused(
    run: Any, world: Any, clip: Any, capsys: Any, start: str
) -> None:
    assert run("replay", clip(1), "--config", world.site, "--start", start) == 2
    assert "1900 to 9000" in capsys.readouterr().err


@pytest.mark.parametrize("start", ["1900-01-01T00:00:00Z", "9000-12-31T23:59:59Z"])
def test_a_start_within_is_taken(
    run: Any, world: Any, clip: Any, tmp_path: Path, start: str
) -> None:
    out = tmp_path / "out.jsonl"
    assert run("replay", clip(1), "--config", world.site, "--start", start, "--events", out) == 0
    assert out.read_text().count(f'"{start[:4]}-') >= 1


def test_enrolling_again_under_another_name_is_refused(
    run: Any, world: Any, clip: Any, capsys: Any
) -> None:
    words = ["enrol", "anna", clip(1), "--config", world.site, "--consent", "yes"]
    assert run(*words, "--name", "Anna K") == 0
    assert run(*words, "--name", "Anna L") == 2
    assert "'Anna K'" in capsys.readouterr().err
    assert run(*words, "--name", "Anna K") == 0
    assert run(*words) == 0
    capsys.readouterr()
    assert run("gallery", "list", "--config", world.site, "--json") == 0
    (anna,) = json.loads(capsys.readouterr().out)
    assert (anna["name"], anna["templates"]) == ("Anna K", 3)


@pytest.mark.parametrize(
    ("person", "words"), [("nobody", "nobody is enrolled as"), (NO_TEXT, "id rule")]
)
def test_erasing_nobody_leaves_no_gallery_behind(
    run: Any, world: Any, capsys: Any, person: str, words: str
) -> None:
    assert run("gallery", "erase", person, "--config", world.site) == 2
    assert words in capsys.readouterr().err
    assert not (world.folder / "state").exists()


@pytest.mark.parametrize("fault", ["missing", "signed already"])
def test_no_bundle_is_signed_unless_all_can_be(
    run: Any, world: Any, tmp_path: Path, fault: str
) -> None:
    key = tmp_path / "release"
    assert run("bundle", "keygen", key) == 0
    good, bad = world.folder / "detector-bundle", tmp_path / "bad"
    if fault == "signed already":
        shutil.copytree(world.folder / "recogniser-bundle", bad)
        assert run("bundle", "sign", bad, "--key", f"{key}.key") == 0
    assert run("bundle", "sign", good, bad, "--key", f"{key}.key") == 2
    assert not (good / "manifest.sig").exists()
