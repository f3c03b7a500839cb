"""What is wrong with a site file, told in the file's own terms: place, expected, found, remedy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import ValidationError

from edge.site.sections import BEHAVIOURS, Section, Site
from edge.site.source import mask_credentials
from edge.site.values import RECOGNISED, did_you_mean

Place = tuple[str | int, ...]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LARGEST_SHOWN = 10**18

# pydantic's error types, for the types that the sections use.
_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "a table",
    "mapping_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "int_type": "a whole number",
    "greater_than_equal": "a whole number from {ge}",
    "less_than_equal": "a whole number up to {le}",
    "literal_error": "{expected}",
    "missing": "this key, which is required",
    "string_type": "a text in quotes",
    "tuple_type": "a list",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where: ``("cameras", 0, "fps")``."""

    place: Place
    expected: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        text = f"{dotted(self.place)}: expected {self.expected}; found {self.found}"
        return f"{text}. {self.remedy}" if self.remedy else text


def dotted(place: Place) -> str:
    """A place as ``cameras[0].zones.entrance[2]``."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if _BARE_KEY.fullmatch(part) else f".{part!r}"
    return text.lstrip(".")


def field_problems(error: ValidationError) -> list[Problem]:
    """Each value that is not what its key may hold."""
    problems = []
    for detail in error.errors():
        place, kind = tuple(detail["loc"]), detail["type"]
        context = detail.get("ctx", {})
        found, remedy = describe(detail["input"]), ""
        if kind == "site":
            expected, remedy = context["expected"], context["remedy"]
            found = context["found"] or found
            if place[-1] == "[key]":
                place = place[:-1]
        elif kind == "union_tag_invalid":
            place, tag = (*place, "kind"), str(context["tag"])
            expected, found = "the kind of a behaviour", describe(tag)
            remedy = did_you_mean(tag, tuple(BEHAVIOURS))
        elif kind == "union_tag_not_found":
            place, expected, found = (*place, "kind"), _EXPECTED["missing"], "nothing"
            remedy = did_you_mean("", tuple(BEHAVIOURS))
        elif kind == "extra_forbidden":
            known = known_keys(place[:-1])
            expected, found = "a known key", f"the key {str(place[-1])!r}"
            remedy = did_you_mean(str(place[-1]), known)
        else:
            expected = _EXPECTED.get(kind, detail["msg"]).format_map(context)
            if kind == "missing":
                found = "nothing"
            if place in (("cameras",), ("rules",)):
                remedy = f"Begin each one with [[{place[0]}]]."
        problems.append(Problem(_as_written(place), expected, found, remedy))
    return problems


def _as_written(place: Place) -> Place:
    """A place without the kind of behaviour, which pydantic puts after a behaviour's number."""
    return place[:4] + place[5:] if place[2:3] == ("behaviours",) and len(place) > 5 else place


def reference_problems(data: Mapping[str, object]) -> list[Problem]:
    """Ids given twice, rules that name a camera, zone or behaviour which is not there, behaviours
    in a zone that their camera does not have, a classifier of behaviours without people or one that
    is missing, snapshots for nobody.

    Works on the plain tables and skips what has the wrong type, so that these problems are told
    together with all others.
    """
    cameras, rules = _tables(data, "cameras"), _tables(data, "rules")
    problems = [*_repeated(("cameras",), cameras), *_repeated(("rules",), rules)]
    zones: dict[str, tuple[str, ...]] = {}
    for index, camera in cameras.items():
        camera_zones = camera.get("zones")
        named = tuple(camera_zones) if isinstance(camera_zones, Mapping) else ()
        zones[str(camera.get("id"))] = named
        problems += _behaviour_problems(("cameras", index, "behaviours"), camera, named)
    for index, rule in rules.items():
        problems += _unknown_names(("rules", index), rule, zones)
        problems += _idle_triggers(("rules", index), rule, cameras)
    problems += _classifier_problems(data, rules)
    snapshots = data.get("snapshots")
    if isinstance(snapshots, Mapping) and snapshots.get("mqtt") is True and "mqtt" not in data:
        expected, found = "false without [mqtt], which names the broker", "true"
        problems.append(Problem(("snapshots", "mqtt"), expected, found))
    return problems


def known_keys(place: Place) -> tuple[str, ...]:
    """The keys that the section at ``place`` knows."""
    section: type[Section] = Site
    for part in place:
        if part in BEHAVIOURS:
            section = BEHAVIOURS[str(part)]
        elif isinstance(part, str):
            section = next(_sections(section.model_fields[part].annotation))
    return tuple(section.model_fields)


def describe(value: object) -> str:
    """What was found, short and without credentials."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = mask_credentials(value)
        return repr(text if len(text) <= 80 else text[:77] + "...")
    if isinstance(value, int) and abs(value) > _LARGEST_SHOWN:
        return "a very large number"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        short = len(value) <= 4 and not any(isinstance(item, (list, Mapping)) for item in value)
        return f"[{', '.join(map(describe, value))}]" if short else f"a list of {len(value)}"
    return "a table" if isinstance(value, Mapping) else f"a {type(value).__name__}"


def _sections(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    arguments = get_args(annotation)
    for argument in arguments[:1] if get_origin(annotation) is Annotated else arguments:
        yield from _sections(argument)


def _tables(data: Mapping[str, object], key: str) -> dict[int, Mapping[str, object]]:
    tables = data.get(key)
    if not isinstance(tables, Sequence):
        return {}
    return {i: table for i, table in enumerate(tables) if isinstance(table, Mapping)}


def _behaviour_problems(
    place: Place, camera: Mapping[str, object], zones: tuple[str, ...]
) -> Iterator[Problem]:
    behaviours = _tables(camera, "behaviours")
    yield from _repeated(place, behaviours)
    for index, behaviour in behaviours.items():
        zone = behaviour.get("zone")
        if isinstance(zone, str) and zone not in zones:
            expected, remedy = "a zone of this camera", did_you_mean(zone, zones)
            yield Problem((*place, index, "zone"), expected, describe(zone), remedy)


def _classifier_problems(
    data: Mapping[str, object], rules: Mapping[int, Mapping[str, object]]
) -> Iterator[Problem]:
    """A classifier of behaviours without a model that finds people; what asks for a classifier
    that is not there."""
    models = data.get("models")
    roles = models if isinstance(models, Mapping) else {}
    expected = "models.behaviour, which recognises what people do"
    if "behaviour" in roles:
        if "person" not in roles:
            people = "models.person beside it, which finds the people"
            yield Problem(("models", "behaviour"), people, "no models.person")
        return
    if "behaviour" in data:
        yield Problem(("behaviour",), expected, "no models.behaviour")
    for rule_index, rule in rules.items():
        for index, trigger in _texts(rule.get("on")):
            if trigger == RECOGNISED:
                yield Problem(("rules", rule_index, "on", index), expected, describe(trigger))


def _repeated(place: Place, tables: Mapping[int, Mapping[str, object]]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, table in tables.items():
        name = table.get("id")
        if not isinstance(name, str):
            continue
        if name in first:
            found = f"{describe(name)}, which is also {dotted(place)}[{first[name]}]"
            yield Problem((*place, index, "id"), "an id of its own", found)
        first.setdefault(name, index)


def _unknown_names(
    place: Place, rule: Mapping[str, object], zones: Mapping[str, tuple[str, ...]]
) -> list[Problem]:
    problems = []
    cameras = _texts(rule.get("cameras"))
    for index, camera in cameras:
        if camera not in zones:
            remedy = did_you_mean(camera, tuple(zones))
            where = (*place, "cameras", index)
            problems.append(Problem(where, "the id of a camera", describe(camera), remedy))
    if problems:
        return problems
    watched = [zones[camera] for _, camera in cameras] if cameras else zones.values()
    known = tuple(dict.fromkeys(zone for camera in watched for zone in camera))
    for index, zone in _texts(rule.get("zones")):
        if zone not in known:
            expected = "a zone of a camera that the rule watches"
            where = (*place, "zones", index)
            problems.append(Problem(where, expected, describe(zone), did_you_mean(zone, known)))
    return problems


def _idle_triggers(
    place: Place, rule: Mapping[str, object], cameras: Mapping[int, Mapping[str, object]]
) -> Iterator[Problem]:
    """Behaviours that the rule waits for and none of its cameras looks for."""
    # Lists, not sets: what a file holds in place of a name need not be hashable.
    named = [camera for _, camera in _texts(rule.get("cameras"))]
    kinds = [
        behaviour.get("kind")
        for camera in cameras.values()
        if not named or camera.get("id") in named
        for behaviour in _tables(camera, "behaviours").values()
    ]
    for index, trigger in _texts(rule.get("on")):
        family, _, kind = trigger.partition(".")
        if family == "behaviour" and kind in BEHAVIOURS and kind not in kinds:
            expected = "a behaviour that a camera which the rule watches looks for"
            remedy = "Say so in its [[cameras.behaviours]]."
            yield Problem((*place, "on", index), expected, describe(trigger), remedy)


def _texts(value: object) -> Iterable[tuple[int, str]]:
    if not isinstance(value, list):
        return []
    return [(index, text) for index, text in enumerate(value) if isinstance(text, str)]
