"""The embedding space: what keeps enrolments valid and what ends them."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from edge.manifest import build_manifest, embedding_space

if TYPE_CHECKING:
    from tests.bundle.conftest import Values


def space_of(values: Values, edit: Callable[[Values], object]) -> str:
    values = copy.deepcopy(values)
    edit(values)
    return embedding_space(build_manifest(values))


def test_the_embedding_space_is_a_known_hash(values: Values) -> None:
    """A change here orphans every enrolment there is."""
    values["files"][0]["sha256"] = "ab" * 32
    canonical = (
        '{"decoder":{"name":"embedding"},"input":{"color":"BGR","dtype":"float32","layout":"NCHW",'
        '"mean":[0.0,0.0,0.0],"name":"x","resize":{"mode":"align","template":[[2.0,2.0],[6.0,2.0],'
        '[4.0,4.0],[2.0,6.0],[6.0,6.0]]},"scale":[1.0,1.0,1.0],"shape":[{"max":4,"min":1,"opt":1},'
        '3,8,8]},"model":"' + "ab" * 32 + '","outputs":["y"]}'
    )
    expected = hashlib.sha256(canonical.encode()).hexdigest()
    assert embedding_space(build_manifest(values)) == expected


@pytest.mark.parametrize(
    "edit",
    [
        lambda v: v["thresholds"].clear(),
        lambda v: v.update(name="renamed", version="9"),
        lambda v: v["files"].append({"path": "NOTICE", "bytes": 1, "sha256": "0" * 64}),
        lambda v: v["variants"].append({**v["variants"][0], "id": "int8-cpu"}),
        lambda v: v["variants"].insert(0, {**v["variants"][0], "id": "int8-cpu"}),
        lambda v: v.update(format="1.3", future=1),
        lambda v: v["input"].update(mean=[0.0, 0.0, 0.0]),
    ],
)
def test_what_leaves_the_numbers_alone_keeps_the_embedding_space(
    values: Values, edit: Callable[[Values], object]
) -> None:
    assert space_of(values, edit) == space_of(values, lambda _: None)


@pytest.mark.parametrize(
    "edit",
    [
        lambda v: v["files"][0].update(sha256="1" * 64),
        lambda v: v["input"].update(color="RGB"),
        lambda v: v["input"].update(mean=[1, 0, 0]),
        lambda v: v["input"]["resize"]["template"][0].__setitem__(0, 2.5),
        lambda v: v.update(outputs=["other"]),
    ],
)
def test_what_changes_the_numbers_changes_the_embedding_space(
    values: Values, edit: Callable[[Values], object]
) -> None:
    assert space_of(values, edit) != space_of(values, lambda _: None)


def test_without_fp32_the_first_variant_is_the_reference(values: Values) -> None:
    values["variants"][0]["id"] = "int8-cpu"
    manifest = build_manifest(values)
    assert manifest.reference.id == "int8-cpu"
