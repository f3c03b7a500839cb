"""``calibrate threshold`` from pictures and videos to the file that the camera reads."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.assembly import load_models
from edge.config import load_site
from edge.media import write_image
from tests.calibration.conftest import Run, group_picture
from tests.small_world import World, film, portrait

Film = Callable[..., Path]


def thresholds(world: World) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((world.folder / "state" / "thresholds.json").read_bytes())
    return found


def nothing_written(world: World) -> bool:
    return not (world.folder / "state").exists()


def refused(capsys: Any, run: Run, *words: object) -> str:
    """What the command says on standard error while it ends with 2."""
    assert run("calibrate", "threshold", *words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    return str(said.err)


def test_labelled_folders_give_the_threshold_that_the_camera_then_uses(
    lone: World, labelled: Path, run: Run, capsys: Any
) -> None:
    assert run("calibrate", "threshold", "--config", lone.site, "--labelled", labelled) == 0
    text = capsys.readouterr().out
    assert "3160 pairs of people" in text
    assert "folders of 80 people, 160 pictures or videos" in text
    assert "A running daemon takes it when it reloads" in text
    assert text.count("  person-") == 5  # the other ones of the five most alike pairs
    assert "one person in two folders" in text
    assert "seconds lie between them" not in text
    ((sha256, entry),) = thresholds(lone).items()
    assert entry["metric"] == "cosine"
    assert 0 < entry["value"] < 0.6
    assert entry["fmr"] <= entry["ci"][1] <= entry["wanted_fmr"] == 1e-3
    assert entry["fnmr"] == 0
    assert entry["counts"]["impostor_pairs"] == 3160
    assert entry["counts"]["genuine_people"] == 80
    assert entry["created"].endswith("Z")
    with load_models(load_site(lone.site)) as loaded:
        assert loaded.bundles["recogniser"].sha256 == sha256
        assert loaded.point is not None
        assert loaded.point.threshold == entry["value"]
        assert loaded.point.source.endswith("thresholds.json")


def test_own_footage_gives_one_without_anybody_saying_who_is_who(
    crowd: World, group_film: Film, run: Run, capsys: Any
) -> None:
    video = group_film([1, 2, 3, 4, 5, 6])
    words = ["--config", crowd.site, "--fmr", "0.2", video, "--json"]
    assert run("calibrate", "threshold", *words) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["counts"] == {
        "videos": 1,
        "frames": 40,
        "tracks": 6,
        "people_at_least": 6,
        "genuine_people": result["counts"]["genuine_people"],
        "impostor_pairs": 15,
        "effective_pairs": 15,
    }
    assert len(result["pairs"]) == 15
    assert result["pairs"][0]["video"] == str(video)
    assert result["pairs"][0]["similarity"] < result["value"] < 0.7
    assert result["site_threshold"] is None
    assert Path(result["written"]) == crowd.folder / "state" / "thresholds.json"
    assert thresholds(crowd)[result["sha256"]]["value"] == result["value"]


def test_what_is_printed_names_the_pairs_to_look_at_and_what_the_fnmr_is_worth(
    crowd: World, group_film: Film, run: Run, capsys: Any
) -> None:
    video = group_film([1, 2, 3, 4, 5, 6], frames=90)
    assert run("calibrate", "threshold", "--config", crowd.site, "--fmr", "0.2", video) == 0
    text = capsys.readouterr().out
    assert "most alike pairs" in text
    assert text.count("hall.mp4") == 5
    assert "seconds lie between them" in text


def test_the_entries_of_other_bundles_stay(
    lone: World, labelled: Path, run: Run, capsys: Any
) -> None:
    state = lone.folder / "state"
    state.mkdir()
    other = {"metric": "euclidean", "value": 1.1}
    (state / "thresholds.json").write_text(json.dumps({"ab" * 32: other}))
    assert run("calibrate", "threshold", "--config", lone.site, "--labelled", labelled) == 0
    assert len(thresholds(lone)) == 2
    assert thresholds(lone)["ab" * 32] == other
    assert [file.name for file in state.iterdir()] == ["thresholds.json"]


def test_a_dry_run_writes_nothing(lone: World, labelled: Path, run: Run, capsys: Any) -> None:
    words = ["--config", lone.site, "--labelled", labelled, "--dry-run"]
    assert run("calibrate", "threshold", *words) == 0
    assert "Nothing was written" in capsys.readouterr().out
    assert run("calibrate", "threshold", *words, "--json") == 0
    assert json.loads(capsys.readouterr().out)["written"] is None
    assert nothing_written(lone)


def test_a_threshold_in_the_site_file_is_said_to_come_first(
    lone: World, labelled: Path, run: Run, capsys: Any
) -> None:
    lone.edit("margin = 0.05", "margin = 0.05\nthreshold = 0.7")
    assert run("calibrate", "threshold", "--config", lone.site, "--labelled", labelled) == 0
    assert "The site file says threshold = 0.7, and comes first" in capsys.readouterr().out


def test_too_few_people_are_refused_by_number(
    lone: World, labelled: Path, tmp_path: Path, run: Run, capsys: Any
) -> None:
    few = tmp_path / "few"
    for person in range(5):
        shutil.copytree(labelled / f"person-0{person}", few / f"p{person}")
    said = refused(capsys, run, "--config", lone.site, "--labelled", few)
    assert "expected 2995 or more pairs of people" in said
    assert f"found 10 pairs of 5 people in the folders of {few}" in said
    assert "More frames of the same people do not help" in said
    assert nothing_written(lone)


def test_one_face_at_a_time_proves_nothing(lone: World, run: Run, capsys: Any) -> None:
    videos = [film(lone.folder / f"{n}.mp4", [portrait(n)] * 40) for n in (1, 2)]
    said = refused(capsys, run, "--config", lone.site, "--fmr", "0.4", *videos)
    assert "found 0 pairs of 0 people in 2 videos with 2 tracks" in said


def test_a_face_that_is_too_poor_is_no_evidence(
    crowd: World, group_film: Film, run: Run, capsys: Any
) -> None:
    video = group_film([1, None, 3, 4, 5, 6])
    said = refused(capsys, run, "--config", crowd.site, "--fmr", "0.2", video)
    assert "found 10 pairs of 5 people in 1 video with 5 tracks" in said


def test_footage_without_a_face_is_refused(lone: World, run: Run, capsys: Any) -> None:
    dark = film(lone.folder / "dark.mp4", [portrait(1) * 0] * 20)
    said = refused(capsys, run, "--config", lone.site, dark)
    assert "there is no face to recognise in 1 video" in said
    assert "no such track in 20 frames" in said


def test_files_that_do_not_fit_are_left_out_and_counted(
    lone: World, labelled: Path, tmp_path: Path, run: Run, capsys: Any, caplog: Any
) -> None:
    faces = tmp_path / "faces"
    shutil.copytree(labelled, faces)
    (faces / "person-00" / "notes.txt").write_text("no picture")
    write_image(faces / "person-01" / "c.png", portrait(1) * 0)
    (faces / "person-02" / ".hidden").write_text("not looked at")
    film(faces / "person-03" / "c.mp4", [portrait(3)] * 30)
    words = ["--config", lone.site, "--labelled", faces, "--json"]
    assert run("calibrate", "threshold", *words) == 0
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert (counts["faces"], counts["skipped"]) == (161, 2)
    assert "skipped 2 of 163 files, such as" in caplog.text
    assert "notes.txt" in caplog.text


def test_a_picture_of_several_people_is_nobodys(
    crowd: World, tmp_path: Path, run: Run, capsys: Any
) -> None:
    for person in ("a", "b"):
        (tmp_path / "faces" / person).mkdir(parents=True)
        write_image(tmp_path / "faces" / person / "1.png", group_picture([1, 2, 3, 4, 5, 6]))
    said = refused(capsys, run, "--config", crowd.site, "--labelled", tmp_path / "faces")
    assert "there are not two people to tell apart" in said
    assert "skipped 2 of 2 files, such as: 1.png shows more than one person" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "found neither"),
        (("a.mp4", "--labelled", "faces"), "found both"),
        (("a.mp4", "./a.mp4"), "is given twice"),
        (("absent.mp4",), "absent.mp4 cannot be read"),
        (("--labelled", "absent"), "cannot read absent"),
        (("--labelled", "."), "does not hold the pictures of different people"),
        (("a.mp4", "--fmr", "0"), "expected a rate between 0 and 0.5"),
        (("a.mp4", "--fmr", "0.5"), "expected a rate between 0 and 0.5"),
        (("a.mp4", "--fmr", "nan"), "expected a rate between 0 and 0.5"),
        (("a.mp4", "--fmr", "low"), "expected a rate between 0 and 0.5"),
    ],
)
def test_what_cannot_be_measured_on_is_refused(
    lone: World,
    run: Run,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    words: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
    assert said in refused(capsys, run, "--config", lone.site, *words)
    assert nothing_written(lone)


def test_a_site_without_a_recogniser_is_refused(lone: World, run: Run, capsys: Any) -> None:
    lone.edit('recogniser = "recogniser-bundle"\n', "")
    said = refused(capsys, run, "--config", lone.site, "a.mp4")
    assert "expected models.recogniser in the site file" in said


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"a": 1, "a": 2}', b"\xff"])
def test_a_file_of_thresholds_that_is_none_is_not_written_over(
    lone: World, labelled: Path, run: Run, capsys: Any, content: bytes
) -> None:
    path = lone.folder / "state" / "thresholds.json"
    path.parent.mkdir()
    path.write_bytes(content)
    said = refused(capsys, run, "--config", lone.site, "--labelled", labelled)
    assert "thresholds.json cannot be used" in said
    assert path.read_bytes() == content


def test_a_video_that_breaks_off_fails_while_running(
    crowd: World, group_film: Film, run: Run, capsys: Any
) -> None:
    video = group_film([1, 2, 3, 4, 5, 6], name="whole.mkv")
    broken = video.with_name("broken.mkv")
    broken.write_bytes(video.read_bytes()[:-2000])
    assert run("calibrate", "threshold", "--config", crowd.site, broken, "--fmr", "0.4") == 1
    assert "broken.mkv" in capsys.readouterr().err
    assert nothing_written(crowd)


@pytest.mark.parametrize("action", [["calibrate", "threshold"], ["evaluate", "verification"]])
def test_without_the_extra_it_says_so_before_it_looks_at_anything(
    tmp_path: Path, action: list[str]
) -> None:
    hidden = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "sklearn":
            raise ModuleNotFoundError("No module named 'sklearn'", name=name)

sys.meta_path.insert(0, Hidden())
from edge.cli import main
sys.exit(main(sys.argv[1:]))
"""
    words = [*action, "--config", str(tmp_path / "absent"), "--labelled", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", hidden, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install 'edgewarden[export]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_real_clips_cannot_support_a_low_rate(
    assets: Path, tmp_path: Path, run: Run, capsys: Any
) -> None:
    for model, kind, name in (
        ("yunet_n_dynamic.onnx", "yunet", "yunet"),
        ("face-reidentification-retail-0095.onnx", "reid-0095", "reid"),
    ):
        words = ["--template", kind, "--out", tmp_path / name]
        assert run("bundle", "new", assets / "models" / model, *words) == 0
    site = tmp_path / "site.toml"
    site.write_text(
        '[site]\nid = "hq"\nnode = "gate"\nstate_dir = "state"\ncache_dir = "cache"\n'
        '[models]\ndetector = "yunet"\nrecogniser = "reid"\nrequire_signed = false\n'
    )
    capsys.readouterr()
    names = ("asl_bird.mkv", "asl_please.mkv", "asl_sorry.mkv", "asl_book.mkv", "*.gif")
    clips = [clip for name in names for clip in (assets / "videos").glob(name)]
    assert len(clips) == 7
    said = refused(capsys, run, "--config", site, *clips)
    assert "expected 2995 or more pairs of people known to be different" in said
    assert "found 4 pairs of 4 people in 7 videos with 9 tracks" in said
    assert not (tmp_path / "state").exists()
