"""Models that can be fetched: where each lies, and the hash that says it is the one that is meant.

A catalogue is a TOML file with one table a model; ``catalogue.toml`` beside this module is ours.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, Strict, ValidationError

from edge.errors import UsageError
from edge.ids import require_id
from edge.manifest_parts import Part, Sha256, Text, Version
from edge.templates import TEMPLATES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def _template(name: str) -> str:
    if name not in TEMPLATES:
        raise ValueError(f"expected one of {', '.join(sorted(TEMPLATES))}")
    return name


class CatalogueModel(Part):
    """One model. bytes: the size of its file; what is larger or smaller is another."""

    title: Text = "a model of your own"
    template: Annotated[str, AfterValidator(_template)]
    version: Version = "1"
    license: Text = "unspecified"
    url: Text
    sha256: Sha256
    bytes: Annotated[int, Strict(), Field(ge=1, le=2**40)] | None = None


def read_catalogue(path: Path | None = None) -> dict[str, CatalogueModel]:
    """The models of a catalogue by name; of our own where ``path`` is None.

    Raises UsageError where the file cannot be read or is no catalogue.
    """
    try:
        source = files("edge") / "catalogue.toml" if path is None else path
        text = source.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except OSError as exc:
        raise UsageError(
            f"{path} cannot be read",
            expected="a catalogue of models",
            found=(exc.strerror or str(exc)).lower(),
        ) from exc
    except (ValueError, RecursionError) as exc:  # not UTF-8, or not TOML
        raise UsageError(f"{path} is not TOML", found=str(exc)) from exc
    return {require_id(name, "a model's name"): _model(name, part) for name, part in values.items()}


def find_model(catalogue: Mapping[str, CatalogueModel], name: str) -> CatalogueModel:
    """The model of that name. Raises UsageError where there is none, naming the nearest."""
    if name not in catalogue:
        near = difflib.get_close_matches(name, catalogue, n=1)
        raise UsageError(
            "no such model in the catalogue",
            expected=", ".join(sorted(catalogue)) or "a catalogue with models",
            found=name,
            remedy=f"Did you mean {near[0]}?" if near else "",
        )
    return catalogue[name]


def _model(name: str, part: object) -> CatalogueModel:
    try:
        return CatalogueModel.model_validate(part)
    except ValidationError as exc:
        problems = [
            f"{'.'.join(map(str, one['loc'])) or 'table'}: {one['msg']}" for one in exc.errors()[:3]
        ]
        raise UsageError(
            f"the catalogue does not describe {name} as it must",
            expected="template, url and sha256; title, version, license and bytes if known",
            found="; ".join(problems),
        ) from exc
