"""What commands print on a terminal while they work."""

from __future__ import annotations

import io

from edge.cli.console import Stages


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_each_stage_has_a_line_of_its_own_that_is_cleared() -> None:
    terminal = Terminal()
    with Stages(stream=terminal) as stages:
        stages.show("observing", 1, 4)
        stages.show("observing", 2, 4)
        stages.show("judging", 1, None)
    text = terminal.getvalue()
    assert "observing [" in text
    assert "judging" in text
    assert text.count("\r\x1b[K") >= 4
    assert text.endswith("\r\x1b[K")


def test_nothing_is_shown_where_nobody_looks() -> None:
    stream = io.StringIO()
    with Stages(stream=stream) as stages:
        stages.show("observing", 1, 4)
        stages.show("judging", 1, None)
    assert stream.getvalue() == ""
