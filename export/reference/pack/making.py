"""The whole pack: its bundles one after the other, and the list of what they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from edge.durable import replace_file
from edge.errors import BundleError
from edge.pack import PackList, contents
from export.reference.pack.build import Built, build
from export.reference.pack.plans import Plan
from export.reference.pack.trained import read_training

LIST, BUNDLES = "pack.json", "bundles"


def make_pack(
    plans: Sequence[Plan],
    trainings: Path,
    out: Path,
    *,
    toy: bool = False,
    int8: bool = True,
    count: int = 150,
    done: Callable[[Built], None] = lambda built: None,
) -> list[Built]:
    """Make these bundles of the trainings in a folder, and note them in the pack's list.

    Every training is looked at before the first bundle is made. done: is told of each bundle, which
    is noted in the list by then; others stay there as they are.

    Raises UsageError where a training is missing, is of another recipe or a toy's, OutputError
    where ``out`` cannot be written, and what exporting raises.
    """
    found = {plan.recipe: read_training(trainings, plan.recipe, toy=toy) for plan in plans}
    made = []
    for plan in plans:
        built = build(plan, found[plan.recipe], out / BUNDLES, toy=toy, int8=int8, count=count)
        _note(out, plan.name, built)
        done(built)
        made.append(built)
    return made


def _note(out: Path, name: str, built: Built) -> None:
    try:
        before = dict(contents(out).bundles)
    except BundleError:  # a new pack, or a list that this one takes the place of
        before = {}
    listed = PackList(bundles=dict(sorted({**before, name: built.packed}.items())))
    text = json.dumps(listed.model_dump(mode="json"), indent=2, ensure_ascii=False)
    replace_file(out / LIST, f"{text}\n".encode())
