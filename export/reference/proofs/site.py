"""A site of two bundles, for the product's own stages and for whoever wants to try them by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.assembly import LoadedModels, load_models
from edge.config import load_site
from edge.durable import make_folder, replace_file


@contextmanager
def models_of(folder: Path, *, detector: Path, recogniser: Path) -> Iterator[LoadedModels]:
    """Write ``site.toml`` into a folder and load its models. Raises what ``load_models`` raises."""
    make_folder(folder)
    site = folder / "site.toml"
    text = (
        '[site]\nid = "world"\nnode = "proof"\nstate_dir = "state"\ncache_dir = "cache"\n\n'
        f"[models]\ndetector = {_quoted(detector)}\nrecogniser = {_quoted(recogniser)}\n"
        "require_signed = false\n"
    )
    replace_file(site, text.encode())
    with load_models(load_site(site), needs_point=False) as loaded:
        yield loaded


def _quoted(path: Path) -> str:
    # TOML's basic strings take JSON's escapes.
    return json.dumps(str(path.resolve()))
