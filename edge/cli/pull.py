"""``edgewarden bundle pull``: a bundle of a public model, fetched by its hash."""

from __future__ import annotations

import hashlib
import math
import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.command import SubParsers, positive, subcommand
from edge.cli.console import Progress, print_json, table
from edge.errors import BundleIntegrityError, UsageError
from edge.ids import require_id
from edge.templates import TEMPLATES

if TYPE_CHECKING:
    from edge.bundle import Bundle
    from edge.catalogue import CatalogueModel
    from edge.download_cache import DownloadCache

_CACHE = "~/.cache/edgewarden/models"
_MOST_MIB = 1024
_KIB = 1024
_OF_URL = ("url", "sha256", "template")


def add_pull(kinds: SubParsers) -> None:
    """Add the action to ``edgewarden bundle``."""
    parser = subcommand(
        kinds,
        "pull",
        _pull,
        "make a bundle of a public model, fetched by its hash",
        example="edgewarden bundle pull yunet --out bundles/yunet",
    )
    parser.description = (
        "Fetches a model of the catalogue, checks its size and SHA-256 before anything reads it, "
        "and makes a bundle of it as 'bundle new' does. What broke off is gone on with; what was "
        "fetched once is in the cache and needs no network."
    )
    _add_where(parser)
    own = parser.add_argument_group("a model of your own, instead of the catalogue's")
    own.add_argument("--catalogue", type=Path, metavar="TOML", help="another catalogue")
    own.add_argument("--url", help="where the model lies, over https")
    own.add_argument("--sha256", type=_sha256, metavar="HEX", help="the hash of the file at --url")
    own.add_argument(
        "--template", choices=sorted(TEMPLATES), metavar="TEMPLATE", help="the family of that model"
    )
    own.add_argument("--license", default="unspecified", help="of that model, SPDX")


def _add_where(parser: ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="the model's name; see --list")
    parser.add_argument("--out", type=Path, metavar="BUNDLE", help="a new folder")
    parser.add_argument("--list", action="store_true", help="print the catalogue and stop")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--offline", action="store_true", help="use the cache alone")
    parser.add_argument(
        "--cache", type=Path, default=Path(_CACHE), metavar="DIR", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--max-mib",
        type=positive,
        default=_MOST_MIB,
        metavar="N",
        help="refuse larger files (default: %(default)s)",
    )
    parser.add_argument(
        "--proxy", metavar="URL", help="of a proxy (default: none; the environment's is not used)"
    )


def _pull(arguments: Namespace) -> int:
    from edge.bundle import require_new_folder
    from edge.download_cache import DownloadCache

    cache = DownloadCache(arguments.cache.expanduser())
    if arguments.list:
        return _list(arguments, cache)
    name, model = _chosen(arguments)
    require_new_folder(arguments.out)  # said before the network is bothered
    data = _read(_fetch(arguments, name, model, cache), model)
    bundle = _make(name, model, data, arguments.out)
    if arguments.json:
        print_json({"bundle": str(arguments.out), "name": name, "sha256": bundle.sha256})
    else:
        print(f"{arguments.out}: {bundle.manifest.role} {name}, sha256 {bundle.sha256}")
    return 0


def _list(arguments: Namespace, cache: DownloadCache) -> int:
    from edge.catalogue import read_catalogue

    models = read_catalogue(arguments.catalogue)
    here = {name: cache.find(model.sha256) is not None for name, model in models.items()}
    if arguments.json:
        print_json(
            {name: {**one.model_dump(), "cached": here[name]} for name, one in models.items()}
        )
        return 0
    rows: list[list[object]] = [
        [
            name,
            model.template,
            None if model.bytes is None else f"{model.bytes / 1e6:.1f} MB",
            model.license,
            "yes" if here[name] else "no",
            model.title,
        ]
        for name, model in models.items()
    ]
    print(table(["name", "template", "size", "licence", "cached", "what"], rows))
    return 0


def _chosen(arguments: Namespace) -> tuple[str, CatalogueModel]:
    from edge.catalogue import CatalogueModel, find_model, read_catalogue

    if arguments.name is None or arguments.out is None:
        raise UsageError(
            "which model, and where to?",
            expected="edgewarden bundle pull NAME --out BUNDLE",
            found="no --out" if arguments.name else "no name",
            remedy="See what there is with: edgewarden bundle pull --list",
        )
    given = [word for word in _OF_URL if getattr(arguments, word) is not None]
    if not given:
        return arguments.name, find_model(read_catalogue(arguments.catalogue), arguments.name)
    if len(given) < len(_OF_URL) or arguments.catalogue is not None:
        others = ["catalogue"] if arguments.catalogue is not None else []
        raise UsageError(
            "a model by its URL needs its hash and its template",
            expected="--url, --sha256 and --template, without --catalogue",
            found=", ".join(f"--{word}" for word in (*given, *others)),
            remedy="Compute the hash from a copy that you trust: sha256sum MODEL",
        )
    model = CatalogueModel(
        template=arguments.template,
        license=arguments.license,
        url=arguments.url,
        sha256=arguments.sha256,
    )
    return require_id(arguments.name, "the bundle's name"), model


def _fetch(arguments: Namespace, name: str, model: CatalogueModel, cache: DownloadCache) -> Path:
    from edge.fetch import Wanted, fetch

    if arguments.offline:
        found = cache.find(model.sha256)
        if found is None:
            raise UsageError(
                f"{name} is not in the cache",
                expected=f"{cache.folder / model.sha256}",
                found="no such file",
                remedy="Fetch it once without --offline, or copy it there.",
            )
        return found
    wanted = Wanted(
        url=model.url,
        sha256=model.sha256,
        bytes=model.bytes,
        most_bytes=arguments.max_mib << 20,
    )
    total = None if model.bytes is None else math.ceil(model.bytes / _KIB)
    with Progress(f"{name} KiB", total) as progress:
        shown = 0

        def watch(held: int) -> None:
            nonlocal shown
            progress.step(held // _KIB - shown)
            shown = held // _KIB

        return fetch(wanted, cache, proxy=arguments.proxy, watch=watch)


def _read(path: Path, model: CatalogueModel) -> bytes:
    """The bytes of a file in the cache, held against the hash once more: these are what is used."""
    from edge.bundler import read_model

    data = read_model(path)
    if hashlib.sha256(data).hexdigest() != model.sha256:
        raise BundleIntegrityError(
            f"{path} has changed while it was used",
            expected=f"SHA-256 {model.sha256}",
            found=hashlib.sha256(data).hexdigest(),
            remedy="Try again: it will be fetched anew.",
        )
    return data


def _make(name: str, model: CatalogueModel, data: bytes, out: Path) -> Bundle:
    from edge.bundler import About, BundleRequest, make_bundle_of

    about = About(name=name, version=model.version, license=model.license, source=model.url)
    request = BundleRequest(model=Path(name), template=model.template, about=about)
    return make_bundle_of(data, request, out)


def _sha256(text: str) -> str:
    if re.fullmatch(r"[0-9a-fA-F]{64}", text) is None:
        raise ArgumentTypeError(f"expected 64 hexadecimal digits, found {text!r:.80}")
    return text.lower()
