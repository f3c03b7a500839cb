"""From a trained model to a bundle: every room of export in turn, and one bundle at the end.

source → graph → FP32, proved and held against its source → FP16 and INT8, judged and timed →
manifest and files. Nothing is written before everything is decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.bundle import Bundle, require_new_folder, write_bundle
from edge.bundler import About, ModelVariant, assemble, prove
from edge.errors import UsageError
from edge.fitting import Wishes
from edge.proving import fresh_feeds, try_out
from edge.runner.base import Runner
from edge.runner.golden import trial
from edge.runner.onnxruntime import OnnxRuntimeRunner
from edge.templates import template
from export.forms import Forms, Recipe, make_forms
from export.judging import REFERENCE, Base, Judged, judge_forms, open_gate
from export.outputs import check_outputs
from export.page import Evidence, gather_evidence
from export.parity import PARITY_TOLERANCE, Parity, compare_source, fresh_batches
from export.samples import Pictures, Samples, open_samples
from export.summary import variants_json
from export.training_samples import UNVERIFIED, VERIFIED, check_reference

if TYPE_CHECKING:
    from export.sources.base import Source, SourceRequest

_FRESH_SEEDS = (1, 2, 3)
# A batch of one hides what a conversion makes of the others.
_SEVERAL = (2, 5)
_MOST_REAL = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What is to be exported and how.

    source: where the trained model is. template, wishes: what it is. recipe: which variants to
    make. pictures: to calibrate and judge on; None without. reference: inputs and outputs that
    were saved at training. opset, free_batch: see ``export.graph.prepare``. half_weights: round the
    weights and store them in half precision, which halves the FP32 file.
    """

    source: SourceRequest
    template: str
    about: About
    wishes: Wishes = field(default_factory=Wishes)
    recipe: Recipe = field(default_factory=Recipe)
    pictures: Pictures | None = None
    reference: Path | None = None
    opset: int | None = None
    free_batch: bool = False
    half_weights: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A bundle that was made, and everything that was found out on the way."""

    bundle: Bundle
    framework: str
    notes: tuple[str, ...]
    steps: tuple[str, ...]
    parity: Parity
    training: str
    samples: Samples | None
    base: Base
    judged: Judged
    forms: Forms

    def evidence(self) -> Evidence:
        """Pictures and ranges for a page."""
        return gather_evidence(self.base, self.samples, self.forms.ranges)

    def lines(self) -> list[str]:
        """What people should know, one line each."""
        parity = f"{self.parity.max_abs:.2g}, {self.parity.max_rel:.2g} of the output's scale"
        inputs = f"{len(self.parity.batches)} inputs"
        lines = [f"from {self.framework}", *self.notes, *self.steps]
        lines.append(f"parity with the source on {inputs}: within {parity}")
        lines.append(f"training: {self.training}")
        if self.samples is not None and self.forms.by_name:
            lines += self.samples.lines(calibrated=self.forms.calibration is not None)
            lines += self.forms.lines()
        return lines

    def to_json(self) -> dict[str, Any]:
        """As a report: plain values, and no key that depends on the outcome."""
        manifest = self.bundle.manifest
        return {
            "report": "edgewarden.export/1",
            "bundle": {
                "name": manifest.name,
                "version": manifest.version,
                "role": manifest.role,
                "sha256": self.bundle.sha256,
                "path": str(self.bundle.path),
            },
            "source": {
                "framework": self.framework,
                "notes": list(self.notes),
                "steps": list(self.steps),
            },
            "parity": {
                **self.parity.to_record(),
                "inputs": len(self.parity.batches),
                "outputs": {
                    name: {"max_abs": one.max_abs, "scale": one.scale, "max_rel": one.max_rel}
                    for name, one in self.parity.outputs.items()
                },
            },
            "training": self.training,
            "calibration": self.forms.calibration,
            "searched_on": (self.forms.calibration or {}).get("searched_on"),
            "judged_on": None if self.samples is None else self.samples.judge.describe(),
            "variants": variants_json(self.judged),
        }


def export_model(request: ExportRequest, out: Path) -> Export:
    """Make the bundle of a trained model in the new folder ``out``.

    Raises OutputError where ``out`` cannot be made, UsageError and its kind for what the user must
    change, ModelError where the model is not what its source computes, shows a fault or does not
    run, DecoderMismatchError where it is not of the template's family, and what writing a bundle
    raises. Nothing is left behind on failure.
    """
    from export.graph.halves import HALF_TOLERANCE, round_weights
    from export.graph.prepare import prepare
    from export.sources.loading import load_source

    require_new_folder(out)
    request.recipe.require(request.pictures, generates=request.template == "generator")
    values = template(request.template)
    reference = None if request.reference is None else _read_samples(request.reference)
    with load_source(request.source) as source:
        prepared = prepare(source.model, opset=request.opset, free_batch=request.free_batch)
        model, steps, tolerance = prepared.model, prepared.steps, PARITY_TOLERANCE
        if request.half_weights:
            # The conversion is held against the source as closely as ever, before it is rounded.
            data = model.SerializeToString(deterministic=True)
            with OnnxRuntimeRunner(data, name=_name(request)) as runner:
                _hold(source, _prove(request, values, data, runner), None, runner)
            model, step = round_weights(model)
            steps, tolerance = (*steps, step), HALF_TOLERANCE
        data = model.SerializeToString(deterministic=True)
        with OnnxRuntimeRunner(data, name=_name(request)) as runner:
            base = _prove(request, values, data, runner)
            samples = open_samples(request.pictures, base.manifest, runner.signature)
            parity = _hold(source, base, samples, runner, tolerance=tolerance)
            if reference is not None:
                check_reference(reference, base.manifest, runner)
    training = UNVERIFIED if reference is None else VERIFIED
    forms, judged = _choose(base, request, samples)
    manifest, files = assemble(
        judged.proof,
        request.about,
        variants_of(judged, parity.to_record(), half_weights=request.half_weights),
        calibration=forms.calibration,
        training=training,
    )
    return Export(
        bundle=write_bundle(out, manifest, files),
        framework=source.framework,
        notes=source.notes,
        steps=steps,
        parity=parity,
        training=training,
        samples=samples,
        base=replace(base, proof=judged.proof),
        judged=judged,
        forms=forms,
    )


def variants_of(
    judged: Judged, parity: Mapping[str, Any], *, half_weights: bool = False
) -> list[ModelVariant]:
    """The manifest's variants. parity: of the reference, against what it was made from.

    half_weights: store the reference's weights in half precision.
    """
    return [
        ModelVariant(
            id=verdict.form.id,
            data=_stored(verdict.form.data, half=half_weights and name == REFERENCE),
            tolerance=verdict.tolerance,
            runner=verdict.form.runner,
            state=verdict.decision.state,
            reason=verdict.decision.reason,
            accuracy={**verdict.accuracy(), "speed": judged.speed.to_record(name)},
            parity=parity if name == REFERENCE else {"golden_max_abs": verdict.max_abs},
        )
        for name, verdict in judged.verdicts.items()
    ]


def _choose(base: Base, request: ExportRequest, samples: Samples | None) -> tuple[Forms, Judged]:
    """Make the forms with one part of the samples, and judge them on another."""
    recipe, pictures = request.recipe, request.pictures or Pictures()
    if samples is None or not (recipe.fp16 or recipe.int8):
        return Forms(), judge_forms(base, {}, None, kind="")
    search = None
    if recipe.int8:
        search = open_gate(base, samples.search, pictures.truth_of(samples.search))
    forms = make_forms(base, recipe, samples, search)
    gate = open_gate(base, samples.judge, pictures.truth_of(samples.judge))
    return forms, judge_forms(base, forms.by_name, gate, kind=samples.kind)


def _prove(request: ExportRequest, values: Mapping[str, Any], data: bytes, runner: Runner) -> Base:
    """The reference as a bundle would hold it alone, proved as the camera reads it."""
    proof = prove(values, runner, request.wishes)
    draft = ModelVariant(id="fp32", data=data, tolerance=proof.tolerance)
    manifest, _ = assemble(proof, request.about, [draft])
    with trial():
        try_out(manifest, runner, proof.outputs)
    return Base(data=data, manifest=manifest, proof=proof)


def _stored(data: bytes, *, half: bool) -> bytes:
    """What is written for a variant that computes as ``data`` does."""
    if not half:
        return data
    import onnx

    from export.graph.halves import store_halves

    stored: bytes = store_halves(onnx.load_from_string(data)).SerializeToString(deterministic=True)
    return stored


def _hold(
    source: Source,
    base: Base,
    samples: Samples | None,
    runner: Runner,
    *,
    tolerance: float = PARITY_TOLERANCE,
) -> Parity:
    """Look for faults, and hold the file against what it was made from."""
    real = [] if samples is None else list(islice(samples.seen.feeds(), _MOST_REAL))
    check_outputs(runner, base.manifest, real)
    fresh = [fresh_feeds(base.manifest, runner.signature, seed=seed) for seed in _FRESH_SEEDS]
    several = fresh_batches(base.manifest, runner.signature, sizes=_SEVERAL)
    with trial():
        feeds = [base.proof.feeds, *fresh, *several, *real]
        return compare_source(source.run, runner, feeds, tolerance=tolerance)


def _read_samples(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise UsageError(
            "cannot read the reference samples",
            expected="an .npz file",
            found=f"{path}: {exc.strerror or exc}",
        ) from exc


def _name(request: ExportRequest) -> str:
    return str(request.source.path or request.source.factory)
