"""What a site file may say of ``[behaviour]``, ``models.behaviour`` and ``labels`` of rules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config import BehaviourSection, Site, load_site
from edge.errors import SiteFileError

HEAD = '[site]\nid = "hq"\nnode = "gate"\n[models]\ndetector = "d"\n'
BOTH = 'person = "p"\nbehaviour = "b"\n'
RULE = '[[rules]]\nid = "r"\non = ["behaviour.recognised"]\n'

Load = Callable[[str], Site]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def read(text: str) -> Site:
        path = tmp_path / "site.toml"
        path.write_text(HEAD + text)
        return load_site(path)

    return read


def test_all_that_is_not_ordinary_is_reported_unless_the_site_file_says_so(load: Load) -> None:
    assert load(BOTH).behaviour == BehaviourSection(report=None, confidence=0.8)
    said = load(f'{BOTH}[behaviour]\nreport = ["fall", "walk"]\nconfidence = 0.5\n').behaviour
    assert (said.report, said.confidence) == (("fall", "walk"), 0.5)


def test_a_rule_may_name_labels(load: Load) -> None:
    (rule,) = load(f'{BOTH}{RULE}labels = ["fall", "a man falls"]\n').rules
    assert rule.labels == ("fall", "a man falls")
    (rule,) = load(BOTH + RULE).rules
    assert rule.labels is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('behaviour = "b"\n', "models.behaviour: expected models.person beside it"),
        ('[behaviour]\nreport = ["fall"]\n', "behaviour: expected models.behaviour"),
        (RULE, "rules[0].on[0]: expected models.behaviour"),
        (f"{BOTH}[behaviour]\nreprot = []\n", "Did you mean 'report'?"),
        (f"{BOTH}[behaviour]\nreport = []\n", "behaviour.report: expected at least one"),
        (f'{BOTH}[behaviour]\nreport = ["fall", 3]\n', "behaviour.report[1]: expected a text"),
        (f"{BOTH}[behaviour]\nconfidence = 0\n", "behaviour.confidence: expected a number above 0"),
        (f"{BOTH}[behaviour]\nconfidence = 1.5\n", "behaviour.confidence: expected a number"),
        (f'{BOTH}{RULE}labels = [""]\n', "rules[0].labels[0]: expected a text"),
        (f"{BOTH}{RULE}labels = []\n", "rules[0].labels: expected at least one"),
        (
            f'{BOTH}[[rules]]\nid = "r"\non = ["face.unknown"]\nlabels = ["fall"]\n',
            "expected 'behaviour.recognised' in on beside labels",
        ),
        (f'{BOTH}{RULE}label = ["fall"]\n', "Did you mean 'labels'?"),
        (
            f'{BOTH}[[rules]]\nid = "r"\non = ["behaviour.recognized"]\n',
            "Did you mean 'behaviour.recognised'?",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(load: Load, text: str, problem: str) -> None:
    with pytest.raises(SiteFileError) as caught:
        load(text)
    assert problem in str(caught.value)
