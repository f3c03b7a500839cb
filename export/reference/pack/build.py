"""One bundle of the reference pack, made by the product's own export stage.

Only accepted variants go into it: what is refused, or has to be timed on a device first, is named
in the pack's list with its reason.
"""

from __future__ import annotations

import importlib
import io
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge.bundle import Bundle, write_bundle
from edge.bundler import About, ModelVariant, assemble
from edge.durable import make_folder, output_error, write_new_file
from edge.errors import UsageError
from edge.golden import read_arrays
from edge.pack import PackedBundle
from edge.templates import template
from export.forms import Recipe
from export.package import Export, ExportRequest, export_model, variants_of
from export.reference.pack.pictures import render
from export.reference.pack.plans import Plan
from export.reference.pack.trained import REFERENCE, WEIGHTS, Trained
from export.sources.base import SourceRequest

LICENSE = "Apache-2.0"
NOTE = "knows the synthetic people of the reference world; no recognition of real people"
_MODULES = "export.reference.recipes"
_FMR = 1e-3
_TIMED_ELSEWHERE = "candidate: its speed is measured on the device; make it with calibrate int8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A bundle that was made, what the pack's list says of it, and what was found out."""

    bundle: Bundle
    packed: PackedBundle
    export: Export


def build(
    plan: Plan, trained: Trained, out: Path, *, toy: bool = False, int8: bool = True, count: int
) -> Built:
    """Make a bundle in ``out``/name, in place of one that is there.

    toy: of a toy recipe's network. int8: try INT8 where the plan has pictures for it. count: of
    pictures to calibrate on.

    Raises UsageError where the training lacks a file, OutputError where ``out`` cannot be written,
    and what exporting raises.
    """
    make_folder(out)
    with tempfile.TemporaryDirectory(dir=out, prefix=".building-") as work:
        room = Path(work)
        request = _request(plan, trained, room, toy=toy, int8=int8, count=count)
        export = export_model(request, room / "whole")
        parity = export.parity.to_record()
        variants = variants_of(export.judged, parity, half_weights=True)
        kept = [variant for variant in variants if variant.state == "accepted"]
        manifest, files = assemble(
            replace(export.judged.proof, values=_values(export, trained)),
            request.about,
            kept,
            calibration=export.forms.calibration if len(kept) > 1 else None,
            training=export.training,
        )
        made = write_bundle(room / plan.name, manifest, files)
        bundle = replace(made, path=_put(room / plan.name, out / plan.name))
    sizes = [path.stat().st_size for path in bundle.path.iterdir()]
    packed = PackedBundle(
        sha256=bundle.sha256,
        bytes=sum(sizes),
        recipe=plan.recipe,
        recipe_sha256=trained.recipe,
        data_sha256=trained.data,
        weights_sha256=trained.weights,
        figures=trained.figures,
        left_out={variant.id: _why(variant) for variant in variants if variant not in kept},
    )
    return Built(bundle=bundle, packed=packed, export=export)


def _request(
    plan: Plan, trained: Trained, room: Path, *, toy: bool, int8: bool, count: int
) -> ExportRequest:
    factory = f"{_MODULES}.{plan.recipe}:{plan.toy if toy else plan.network}"
    weights = trained.folder / WEIGHTS
    reference = trained.folder / REFERENCE
    if not plan.recorded:
        reference = room / REFERENCE
        write_new_file(reference, _computed(factory, trained))
    pictures = None
    if int8 and plan.rendered is not None:
        folder = room / "pictures"
        make_folder(folder)
        pictures = render(plan.rendered, folder, count=count, size=_working_size(plan))
    return ExportRequest(
        source=SourceRequest(
            factory=factory, weights=weights, inputs=plan.inputs(trained.settings)
        ),
        template=plan.template,
        about=About(name=plan.name, license=LICENSE, source=source_text(trained)),
        wishes=plan.wishes,
        recipe=Recipe(int8=pictures is not None),
        pictures=pictures,
        reference=reference,
        half_weights=True,
    )


def source_text(trained: Trained) -> str:
    """Where a bundle is from, for its manifest."""
    figures = ", ".join(
        f"{name} {value:.4g}" for name, value in trained.figures.items() if isinstance(value, float)
    )
    return (
        f"edgewarden reference train {trained.name}: recipe {trained.recipe}, "
        f"world data {trained.data}, {trained.settings.steps} steps; "
        f"on what it never saw: {figures}; {NOTE}"
    )[:2000]


def _working_size(plan: Plan) -> tuple[int, int]:
    """Width and height that the template's free axes work at."""
    height, width = template(plan.template)["input"]["shape"][2:]
    return (width, height) if isinstance(width, int) else (width["opt"], height["opt"])


def _computed(factory: str, trained: Trained) -> bytes:
    """Outputs for the training's inputs of a network whose outputs it did not record.

    The weights are those that the training states by their hash, and PyTorch computes.
    """
    import torch

    from export.sources.checkpoint import load_weights

    try:
        arrays = read_arrays((trained.folder / REFERENCE).read_bytes())
        picture = arrays["input"]
    except (OSError, ValueError, KeyError) as exc:
        raise UsageError(
            f"{trained.folder / REFERENCE} holds no samples of the training",
            expected="an array 'input'",
            found=str(exc),
        ) from exc
    module, _, function = factory.partition(":")
    network = getattr(importlib.import_module(module), function)()
    load_weights(network, trained.folder / WEIGHTS)
    with torch.no_grad():
        output = network.eval()(torch.from_numpy(picture)).numpy()
    buffer = io.BytesIO()
    np.savez(buffer, input=picture, output=output)
    return buffer.getvalue()


def _values(export: Export, trained: Trained) -> Mapping[str, Any]:
    """The manifest's values, with the recogniser's operating point as the training measured it."""
    values = dict(export.judged.proof.values)
    figures = trained.figures
    if trained.name == "recogniser" and "threshold" in figures:
        values["thresholds"] = [
            {
                "metric": "cosine",
                "value": figures["threshold"],
                "fmr": _FMR,
                "fnmr": figures["fnmr"],
                "ci": [figures["fnmr_low"], figures["fnmr_high"]],
                "data": "single aligned faces of people of the reference world never learned from",
            }
        ]
    return values


def _why(variant: ModelVariant) -> str:
    return variant.reason or _TIMED_ELSEWHERE


def _put(made: Path, target: Path) -> Path:
    """Put a bundle's folder in its place; what was there goes once the new one is there."""
    before = made.parent / "before"
    try:
        with suppress(FileNotFoundError):
            target.rename(before)
        made.rename(target)
    except OSError as exc:
        with suppress(OSError):  # perhaps nothing was there
            before.rename(target)
        raise output_error(exc, target) from exc
    shutil.rmtree(before, ignore_errors=True)
    return target
