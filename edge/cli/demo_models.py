"""``edgewarden demo MODELS CLIPS``: from models and clips of one's own to judged identities.

It runs the same commands that a user would, step by step, and prints each before it runs.
"""

from __future__ import annotations

import csv
import io
import json
import shlex
from argparse import Namespace
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from edge.demo.folder import begin_anew, make_ours, require_ours
from edge.errors import EdgewardenError, UsageError
from edge.ids import fit_id
from edge.store.disk import os_errors

_DETECTOR = "yunet_n_dynamic.onnx"
_RECOGNISER = "face-reidentification-retail-0095.onnx"
_ENROLLED = 2


def run_models(arguments: Namespace) -> int:
    """Run it; the exit code. Raises UsageError where a folder lacks what is needed."""
    models, clips = _folders(arguments)
    people = _people(clips)
    detectors = arguments.detector or [_DETECTOR]
    outs = [arguments.out / Path(detector).stem for detector in detectors]
    for out in outs:
        require_ours(out)
    make_ours(arguments.out)
    for detector, out in zip(detectors, outs, strict=True):
        run = _Demo(models, clips, out, detector)
        run.prepare(signed=not arguments.unsigned)
        run.enrol(people)
        events = run.replay(people, arguments.nobody)
        if arguments.twice:
            run.compare(events, run.replay(people, arguments.nobody, name="again"))
        run.judge(events, people, arguments.nobody)
    return 0


class _Demo:
    def __init__(self, models: Path, clips: Path, out: Path, detector: str) -> None:
        self._models = models
        self._clips = clips
        self._out = out
        self._detector = detector
        self._site = out / "site.toml"
        self._known: dict[str, str] = {}

    def prepare(self, *, signed: bool) -> None:
        """Make the bundles, the keys and the site file, in a folder of their own."""
        bundles = self._out / "bundles"
        begin_anew(self._out)
        with os_errors(bundles):
            bundles.mkdir()
        _step(
            "bundle", "new", self._models / self._detector, "--template", "yunet",
            "--out", bundles / "yunet-n", "--license", "Apache-2.0",
        )  # fmt: skip
        _step(
            "bundle", "new", self._models / _RECOGNISER, "--template", "reid-0095",
            "--out", bundles / "reid-0095", "--license", "Apache-2.0",
        )  # fmt: skip
        if signed:
            key = self._out / "release"
            _step("bundle", "keygen", key)
            _step(
                "bundle", "sign", bundles / "yunet-n", bundles / "reid-0095", "--key", f"{key}.key"
            )
        trust = 'trusted_keys = ["release.pub"]' if signed else "require_signed = false"
        site = (
            '[site]\nid = "demo"\nnode = "laptop"\nstate_dir = "state"\ncache_dir = "cache"\n\n'
            '[models]\ndetector = "bundles/yunet-n"\nrecogniser = "bundles/reid-0095"\n'
            f"{trust}\n\n"
            '[[rules]]\nid = "stranger"\non = ["face.unknown"]\nseverity = "warning"\n'
        )
        with os_errors(self._site):
            self._site.write_text(site)

    def enrol(self, people: dict[str, list[str]]) -> None:
        """Enrol the first people of the list, each from their first clip."""
        for person in list(people)[:_ENROLLED]:
            clip = people[person][0]
            self._known[person] = clip
            _step(
                "enrol", person, self._clips / clip, "--config", self._site,
                "--consent", "shown in a public sample video",
            )  # fmt: skip

    def replay(
        self, people: dict[str, list[str]], nobody: Sequence[str], *, name: str = "events"
    ) -> Path:
        """Replay every other clip; returns the file of events."""
        events = self._out / f"{name}.jsonl"
        used = set(self._known.values())
        clips = [clip for listed in people.values() for clip in listed if clip not in used]
        annotate = [] if name == "again" else ["--annotate", self._out / "seen.mp4"]
        files = [self._clips / clip for clip in [*sorted(clips), *nobody]]
        _step("replay", *files, "--config", self._site, "--events", events, *annotate)
        return events

    def compare(self, first: Path, second: Path) -> None:
        """Say whether two replays gave the same events but for their ids."""
        a, b = (_without_ids(path) for path in (first, second))
        if a != b:
            raise EdgewardenError("two replays of the same clips gave different events")
        print(f"two replays, {len(a)} events each: identical but for their ids")

    def judge(self, events: Path, people: dict[str, list[str]], nobody: Sequence[str]) -> None:
        """Hold the events against the list of who is in which clip."""
        truth = self._out / "truth.csv"
        used = set(self._known.values())
        with os_errors(truth), truth.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["file", "person"])
            rows.writerows(
                [clip, person]
                for person, listed in people.items()
                for clip in listed
                if clip not in used
            )
            rows.writerows([clip, ""] for clip in nobody)
        words = ["evaluate", "identification", events, "--truth", truth]
        words += ["--enrolled", ",".join(self._known)]
        _step(*words)
        print(f"\nEverything is in {self._out}: seen-*.mp4 shows what was seen.")
        said = io.StringIO()
        with redirect_stdout(said):
            _run_command([str(word) for word in (*words, "--json")])
        found = json.loads(said.getvalue())
        if found["right"] != found["units"]:
            raise EdgewardenError(
                "not every identity is right",
                expected=f"{found['units']} of {found['units']}",
                found=str(found["right"]),
                remedy=f"See the rows marked WRONG, and the videos in {self._out}.",
            )


def _step(*words: object) -> None:
    """Print one command and run it; raises EdgewardenError where it fails."""
    arguments = [str(word) for word in words]
    shown = shlex.join(arguments)
    print(f"\n$ edgewarden {shown}", flush=True)
    _run_command(arguments)


def _run_command(arguments: Sequence[str]) -> None:
    from edge.cli import main

    code = main(arguments)
    if code != 0:
        raise EdgewardenError(f"edgewarden {arguments[0]} ended with exit code {code}")


def _without_ids(events: Path) -> list[dict[str, Any]]:
    """The events of a file without their own ids and those of the events they refer to."""
    found = [json.loads(line) for line in events.read_text().splitlines()]
    for event in found:
        del event["id"]
        event["data"].get("trigger", {}).pop("id", None)
    return found


def _folders(arguments: Namespace) -> tuple[Path, Path]:
    if arguments.clips is None:
        raise UsageError(
            "models of one's own need clips",
            expected="two folders: edgewarden demo MODELS CLIPS; or none, for the reference pack",
            found="only MODELS",
            remedy=f"MODELS needs {_DETECTOR} and {_RECOGNISER}; CLIPS needs videos and a CSV with "
            "columns file,person.",
        )
    wanted = [*(arguments.detector or [_DETECTOR]), _RECOGNISER]
    missing = [str(arguments.models / name) for name in wanted]
    missing += [str(arguments.clips / name) for name in arguments.nobody]
    missing = [path for path in missing if not Path(path).is_file()]
    if missing:
        raise UsageError("the demo lacks files", expected=", ".join(missing), found="not there")
    return arguments.models, arguments.clips


def _people(clips: Path) -> dict[str, list[str]]:
    """The clips of each person, by id, in the order of the list."""
    lists = sorted(clips.glob("*.csv"))
    if len(lists) != 1:
        raise UsageError(
            f"{clips} does not say who is in which clip",
            expected="one CSV with columns file,person",
            found=f"{len(lists)} CSV files",
        )
    people: dict[str, list[str]] = {}
    for number, row in enumerate(_rows(lists[0]), 2):
        clip, person = row.get("file"), row.get("person")
        if not clip or not person:
            raise UsageError(
                f"{lists[0]}, row {number} does not say who is in which clip",
                expected="a file and a person, under the headings file,person",
                found=", ".join(f"{key} {value}" for key, value in row.items()) or "nothing",
                remedy="Give clips without anybody as --nobody CLIP.",
            )
        people.setdefault(fit_id(person), []).append(clip)
    if len(people) < _ENROLLED:
        raise UsageError(
            f"{lists[0]} names too few people", expected="two or more", found=str(len(people))
        )
    return people


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise UsageError(
            f"cannot read {path}", expected="a CSV with columns file,person", found=str(exc)
        ) from exc
