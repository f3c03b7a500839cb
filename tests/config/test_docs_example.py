"""``docs/site-file.md`` says what the site file is today: its example loads, every key is there."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.config import PICTURED, TRIGGERS, Site, load_site
from edge.errors import UsageError
from edge.schedule import Schedule
from edge.service import _require_reloadable
from edge.site.problems import known_keys
from edge.site.sections import BEHAVIOURS, Section

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DOCUMENT = Path(__file__).parents[2] / "docs" / "site-file.md"
HEADINGS = {name: f"[{name}]" for name in Site.model_fields} | {
    "cameras": "[[cameras]]",
    "rules": "[[rules]]",
}
_ROW = re.compile(r"^\| `([a-z_]+)` \| ([^|]*) \|", re.MULTILINE)


@pytest.fixture(scope="module")
def document() -> str:
    return DOCUMENT.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def example(document: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The one TOML block of the document, loaded."""
    (block,) = re.findall(r"^```toml\n(.*?)^```$", document, re.DOTALL | re.MULTILINE)
    path = tmp_path_factory.mktemp("site") / "site.toml"
    path.write_text(block, encoding="utf-8")
    return load_site(path)


@pytest.fixture
def rows(document: str) -> Callable[[str], dict[str, str]]:
    """The rows of a section's table of keys: key and default."""

    def of_section(name: str) -> dict[str, str]:
        _, _, rest = document.partition(f"\n## `{HEADINGS[name]}`\n")
        assert rest, f"no heading for {HEADINGS[name]}"
        return dict(_ROW.findall(rest.partition("\n## ")[0]))

    return of_section


def section_class(name: str) -> type[Section]:
    """The class whose keys the site file's section has."""
    found = [
        cls for cls in Section.__subclasses__() if tuple(cls.model_fields) == known_keys((name,))
    ]
    assert len(found) == 1
    return found[0]


def test_the_example_uses_every_section(example: Site) -> None:
    assert example.model_fields_set == set(Site.model_fields)


@pytest.mark.parametrize("name", Site.model_fields)
def test_the_example_uses_every_key_that_this_version_can_do_something_with(
    example: Site, name: str, document: str
) -> None:
    value = getattr(example, name)
    blocks = value if isinstance(value, tuple) else (value,)
    used = {key for block in blocks for key in block.model_fields_set}
    idle = set(re.findall(r"^\| `(\w+)` \| none \| not in this version", document, re.MULTILINE))
    assert set(known_keys((name,))) - used <= idle | {"landmarks", "require_signed"}


@pytest.mark.parametrize("name", Site.model_fields)
def test_every_key_of_a_section_stands_in_its_table_and_no_other(
    rows: Callable[[str], dict[str, str]], name: str
) -> None:
    assert list(rows(name)) == list(known_keys((name,)))


@pytest.mark.parametrize("name", Site.model_fields)
def test_every_default_is_the_one_that_holds(
    rows: Callable[[str], dict[str, str]], name: str
) -> None:
    fields = section_class(name).model_fields
    for key, said in rows(name).items():
        field, default = fields[key], fields[key].get_default(call_default_factory=True)
        assert (said == "required") is field.is_required(), key
        if said.startswith("`") and not said.endswith("`state_dir`"):
            assert tomllib.loads(f"x = {said.strip('`')}")["x"] == _plain(default), key
        elif not field.is_required():
            assert not default, f"{key}: {said}"


def test_every_key_of_a_behaviour_stands_in_the_table_of_its_kind(document: str) -> None:
    _, _, rest = document.partition("\n## `[[cameras.behaviours]]`\n")
    table = re.findall(
        r"^\| `([a-z_]+)` \| ([^|]*) \| ([^|]*) \|", rest.partition("\n## ")[0], re.MULTILINE
    )
    told = {name.partition(".")[2] for name in TRIGGERS if "behaviour." in name}
    assert set(BEHAVIOURS) == told - {"recognised"}  # by a model, for all cameras
    for kind, section in BEHAVIOURS.items():
        rows = {key: default for key, kinds, default in table if kinds == "all" or kind in kinds}
        assert set(rows) == set(section.model_fields), kind
        for key, default in rows.items():
            field = section.model_fields[key]
            assert (default == "required") is field.is_required(), key
            assert default in ("required", "always", f'`"{field.default}"`'), key


def test_the_example_has_every_kind_of_behaviour(example: Site) -> None:
    kinds = {behaviour.kind for camera in example.cameras for behaviour in camera.behaviours}
    assert kinds == set(BEHAVIOURS)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("event", [*TRIGGERS, *PICTURED])
def test_every_event_that_a_rule_or_a_picture_may_name_is_there(document: str, event: str) -> None:
    assert f"`{event}`" in document


def test_every_schedule_in_it_can_be_read(document: str) -> None:
    written = re.findall(r"`((?:Mon|Sun|Fri)[A-Za-z0-9:, -]*)`", document)
    assert len(written) >= 3
    for text in written:
        assert Schedule.parse(text).spans


@pytest.mark.parametrize("name", Site.model_fields)
def test_what_it_says_of_a_reload_holds(document: str, example: Site, name: str) -> None:
    _, _, rest = document.partition("\n## What a reload can change\n")
    reload, _, restart = rest.partition("- **Restart:**")
    changed = example.model_copy(update={name: None})
    if f"`{HEADINGS[name]}`" in restart:
        with pytest.raises(UsageError, match="has changed"):
            _require_reloadable(example, changed)
    else:
        assert f"`{HEADINGS[name]}`" in reload
        _require_reloadable(example, changed)
