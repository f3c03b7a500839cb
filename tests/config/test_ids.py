from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import UsageError
from edge.ids import ID_RULE, NODE_CAMERA, SELFTEST_CAMERA, fit_id, require_id


@pytest.mark.parametrize("text", ["a", "0", "hq", "gate-01", "a_b-", "0" * 64])
def test_an_id_that_keeps_the_rule_is_given_back(text: str) -> None:
    assert require_id(text, "the camera id") == text


@pytest.mark.parametrize(
    "text",
    ["", " ", "A", "-a", "_a", "a b", "a/b", "a.b", "..", "a\n", "é", "٣", "a\0", "0" * 65],
)
def test_an_id_against_the_rule_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="the camera id does not keep the id rule") as caught:
        require_id(text, "the camera id")
    assert ID_RULE in caught.value.expected


@pytest.mark.parametrize("text", [NODE_CAMERA, SELFTEST_CAMERA])
def test_reserved_ids_say_so(text: str) -> None:
    with pytest.raises(UsageError, match=f"'{text}' is reserved"):
        require_id(text, "the camera id")


def test_a_refusal_proposes_an_id_where_it_can_and_stays_short() -> None:
    with pytest.raises(UsageError, match="'front-door' would do"):
        require_id("Front Door", "the camera id")
    with pytest.raises(UsageError) as caught:
        require_id("視頻", "the camera id")
    assert caught.value.remedy == ""
    with pytest.raises(UsageError) as caught:
        require_id("A" * 5000, "the camera id")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "fitted"),
    [
        ("", "unnamed"),
        ("視頻", "unnamed"),
        ("asl_again", "asl_again"),
        ("Front Door (2)", "front-door-2"),
        ("_x", "x"),
        ("-- Café --", "caf"),
        ("B" * 70, "b" * 64),
    ],
)
def test_any_text_is_made_to_fit(text: str, fitted: str) -> None:
    assert fit_id(text) == fitted


def test_a_taken_id_is_numbered_within_the_length() -> None:
    assert fit_id("clip", taken={"clip"}) == "clip-2"
    assert fit_id("clip", taken={"clip", "clip-2"}) == "clip-3"
    assert fit_id("b" * 64, taken={"b" * 64}) == "b" * 62 + "-2"


@given(st.text(max_size=100), st.sets(st.text(max_size=5)))
def test_what_is_fitted_keeps_the_rule_and_is_free(text: str, taken: set[str]) -> None:
    fitted = fit_id(text, taken=taken)
    assert re.fullmatch(ID_RULE, fitted)
    assert fitted not in taken
