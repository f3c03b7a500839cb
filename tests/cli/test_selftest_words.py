"""What ``edgewarden selftest`` says of the report that it gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge.cli import main
from edge.ops.control import ControlServer

REPORT: dict[str, Any] = {
    "passed": True,
    "expected": 1,
    "came": 1,
    "seconds": 12.0,
    "reason": None,
    "delivery": None,
    "frames_shown": 200,
    "frames_analysed": 180,
    "stages": {"detector": "the site's yunet-n", "behaviour": "not run (the site's acts)"},
    "not_tested": ["behaviour"],
    "events": [{"expected": "ada is recognised", "came": True, "commit_s": 0.02}],
}


def test_what_was_not_tested_is_named_and_no_reason_made_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site.toml"
    site.write_text(
        '[site]\nid = "hq"\nnode = "gate"\nstate_dir = "state"\n'
        '[models]\ndetector = "d"\n[control]\nsocket = "c.sock"\n'
    )
    with ControlServer(tmp_path / "c.sock", handlers={"selftest": lambda request: REPORT}):
        assert main(["selftest", "--config", str(site)]) == 0
    said = capsys.readouterr().out
    assert "behaviour   not run (the site's acts)\n" in said
    assert "not tested: behaviour, as said above\n" in said
    assert "200 frames shown, 180 analysed\n" in said
    assert "passed: 1 of 1 events came in 12 s\n" in said
