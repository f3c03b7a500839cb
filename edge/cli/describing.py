"""The words that describe a model, alike in every command that makes a bundle of one."""

from __future__ import annotations

import math
import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from edge.errors import UsageError
from edge.ids import fit_id, require_id
from edge.templates import TEMPLATES

if TYPE_CHECKING:
    from edge.bundler import About
    from edge.fitting import Wishes

# Names and distributions of a generator's latent inputs; None where none was said.
Latents = tuple[tuple[str, str | None], ...]


def add_description(parser: ArgumentParser) -> None:
    """Everything that may be said of a model beyond its template."""
    about = parser.add_argument_group("about the bundle")
    about.add_argument("--name", help="id of the bundle (default: the folder's name)")
    about.add_argument("--version", default="1", help="of the model (default: %(default)s)")
    about.add_argument("--license", default="unspecified", help="of the model, SPDX")
    about.add_argument("--source", default="", help="where the model is from")
    about.add_argument(
        "--created",
        type=_time,
        metavar="TIME",
        help="RFC 3339 (default: now); fixed, the same model gives the same bytes",
    )
    model = parser.add_argument_group("about the model, where it differs from its template")
    model.add_argument(
        "--size", type=_size, metavar="WxH", help="working size of a model with free axes"
    )
    model.add_argument(
        "--labels", type=words, default=(), metavar="A,B", help="its classes, in its order"
    )
    model.add_argument(
        "--color", choices=["BGR", "RGB", "GRAY"], help="order of the channels that it takes"
    )
    for name, what in (("mean", "is taken from"), ("scale", "is then multiplied with")):
        model.add_argument(
            f"--{name}",
            type=_numbers,
            default=(),
            metavar="X[,Y,Z]",
            help=f"what {what} pixels of 0..255, for all channels or for each",
        )
    model.add_argument(
        "--range",
        type=_range,
        metavar="LOW,HIGH",
        help="black and white of the picture that it gives, and of the one it takes unless --mean "
        "or --scale say otherwise; write --range=-1,1",
    )
    model.add_argument(
        "--latent",
        type=_latents,
        default=(),
        metavar="NAME[:uniform]",
        help="a generator's latent input, and its distribution (default: normal); several with "
        "commas between them, where they can be joined",
    )
    model.add_argument(
        "--condition",
        type=_condition,
        metavar="NAME=A,B",
        help="a generator's condition input, and the labels that it knows",
    )


def wishes_from(arguments: Namespace, *, joined: bool = False) -> Wishes:
    """What was said of the model.

    joined: several latents are one input by the time that the model is looked at; of mixed
    distributions that one is normal. Raises UsageError for several latents otherwise.
    """
    from edge.fitting import Wishes

    latents: Latents = arguments.latent
    if len(latents) > 1 and not joined:
        raise UsageError(
            "a bundle has one latent",
            expected="--latent with one name",
            found=", ".join(name for name, _ in latents),
            remedy="Join them with: edgewarden export",
        )
    given = {distribution for _, distribution in latents} - {None}
    condition, labels = arguments.condition or (None, ())
    return Wishes(
        role=getattr(arguments, "role", None),
        size=arguments.size,
        labels=arguments.labels,
        color=arguments.color,
        mean=arguments.mean,
        scale=arguments.scale,
        output_range=arguments.range,
        latent=latents[0][0] if len(latents) == 1 else None,
        distribution=given.pop() if len(given) == 1 and _alike(latents) else None,
        condition=condition,
        condition_labels=labels,
    )


def about_from(arguments: Namespace, source: str) -> About:
    """What was said of the bundle; named after the folder that it goes to unless said otherwise.

    Raises UsageError for a name that is no id.
    """
    from edge.bundler import About

    name = arguments.name
    return About(
        name=require_id(name, "the bundle's name") if name else fit_id(arguments.out.name),
        version=arguments.version,
        license=arguments.license,
        source=arguments.source or source,
        created=arguments.created,
    )


def template_help() -> str:
    """The templates' names, for an argument's help."""
    return f"the family of the model: {', '.join(sorted(TEMPLATES))}"


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if match is None:
        raise ArgumentTypeError(f"expected WIDTHxHEIGHT such as 1280x736, found {text!r}")
    return int(match[1]), int(match[2])


def words(text: str) -> tuple[str, ...]:
    """An argument that is a list with commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _numbers(text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) not in (1, 3) or not all(math.isfinite(value) for value in values):
        raise ArgumentTypeError(f"expected one number, or one for each channel, found {text!r}")
    return values


def _range(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low = high = math.nan
    if not (low < high and math.isfinite(high - low)):
        raise ArgumentTypeError(f"expected LOW,HIGH such as -1,1, found {text!r}")
    return low, high


def _latents(text: str) -> Latents:
    found = []
    for word in text.split(","):
        name, _, distribution = word.rpartition(":") if ":" in word else (word, "", "")
        if not name or distribution not in ("", "normal", "uniform"):
            raise ArgumentTypeError(f"expected NAME, NAME:normal or NAME:uniform, found {word!r}")
        found.append((name, distribution or None))
    return tuple(found)


def _alike(latents: Latents) -> bool:
    return len({distribution or "normal" for _, distribution in latents}) == 1


def _condition(text: str) -> tuple[str, tuple[str, ...]]:
    name, _, labels = text.partition("=")
    if not name or not words(labels):
        raise ArgumentTypeError(f"expected NAME=LABEL,LABEL, found {text!r}")
    return name, words(labels)


def _time(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        whole = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return whole.astimezone(timezone.utc).isoformat(timespec="seconds")
    except (ValueError, OverflowError) as exc:
        raise ArgumentTypeError(
            f"expected a time such as 2026-11-21T10:00:00Z, found {text!r}"
        ) from exc
