"""INT8 for a bundle that exists: the same forms and the same judgement as at export, in a new
bundle. FP32's own file is passed on as it is, and with it the enrolments made with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge.bundle import Bundle, require_new_folder, write_bundle
from edge.bundler import About, ModelVariant, Proof, assemble
from edge.errors import BundleError
from edge.golden import Golden
from edge.manifest import Variant
from edge.runner.onnxruntime import OnnxRuntimeRunner
from export.forms import Forms, Recipe, make_forms
from export.judging import REFERENCE, Base, Judged, judge_forms, open_gate
from export.package import variants_of
from export.page import Evidence, gather_evidence
from export.samples import Pictures, Samples, open_samples
from export.summary import variants_json

# What the model is; the rest of a manifest says what was done with it.
_OF_MODEL = ("role", "decoder", "input", "latent", "condition", "outputs", "labels", "thresholds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibration:
    """A new bundle, and what was found out on the way."""

    bundle: Bundle
    samples: Samples
    base: Base
    judged: Judged
    forms: Forms

    def evidence(self) -> Evidence:
        """Pictures and ranges for a page."""
        return gather_evidence(self.base, self.samples, self.forms.ranges)

    def lines(self) -> list[str]:
        """What people should know, one line each."""
        return [*self.samples.lines(calibrated=True), *self.forms.lines()]

    def to_json(self) -> dict[str, Any]:
        """As a report: plain values, and no key that depends on the outcome."""
        return {
            "report": "edgewarden.calibration/1",
            "bundle": {
                "name": self.bundle.manifest.name,
                "version": self.bundle.manifest.version,
                "role": self.bundle.manifest.role,
                "sha256": self.bundle.sha256,
                "path": str(self.bundle.path),
            },
            "calibration": self.forms.calibration,
            "searched_on": self.samples.search.describe(),
            "judged_on": self.samples.judge.describe(),
            "variants": variants_json(self.judged),
        }


def base_of(bundle: Bundle) -> Base:
    """A bundle's FP32 model as the reference of further forms.

    Raises BundleError where there is none, or no golden outputs.
    """
    manifest = bundle.manifest
    if manifest.reference.id != REFERENCE:
        raise BundleError(
            f"bundle {manifest.name} has nothing to make INT8 of",
            expected="a variant fp32",
            found=", ".join(variant.id for variant in manifest.variants),
            remedy="Export the model again.",
        )
    values = manifest.model_dump(mode="json")
    golden: Golden = bundle.golden()
    return Base(
        data=bundle.read(manifest.reference.file),
        manifest=manifest,
        proof=Proof(
            values={key: values[key] for key in _OF_MODEL if key in values},
            feeds=golden.inputs,
            outputs=golden.outputs,
        ),
    )


def recalibrate(
    bundle: Bundle, out: Path, *, pictures: Pictures | None, recipe: Recipe
) -> Recalibration:
    """Write a bundle like ``bundle`` with new variants of ``recipe`` to the new folder ``out``.

    Variants that are not made anew are passed on; engines are not, for they were built of others.
    Raises what ``export.package.export_model`` raises.
    """
    require_new_folder(out)
    base = base_of(bundle)
    recipe.require(pictures, generates=base.manifest.latent is not None)
    with OnnxRuntimeRunner(base.data, name=base.manifest.name) as runner:
        samples = open_samples(pictures, base.manifest, runner.signature)
    assert samples is not None  # what the recipe requires
    forms = make_forms(base, recipe, samples, open_gate(base, samples.search))
    made = {REFERENCE, *forms.by_name}
    kept = [_passed_on(bundle, v) for v in base.manifest.variants if v.id not in made]
    judged = judge_forms(
        base,
        forms.by_name,
        open_gate(base, samples.judge),
        kind=samples.kind,
        same_golden=bool(kept),  # what is passed on has its tolerance on these
    )
    variants = variants_of(judged, base.manifest.reference.parity)
    manifest, files = assemble(
        judged.proof,
        _about(bundle),
        [*variants, *kept],
        calibration=forms.calibration,
        training=base.manifest.training,
    )
    return Recalibration(
        bundle=write_bundle(out, manifest, files),
        samples=samples,
        base=replace(base, proof=judged.proof),
        judged=judged,
        forms=forms,
    )


def _about(bundle: Bundle) -> About:
    manifest = bundle.manifest
    return About(
        name=manifest.name,
        version=manifest.version,
        license=manifest.license,
        source=manifest.provenance.source,
    )


def _passed_on(bundle: Bundle, variant: Variant) -> ModelVariant:
    tolerance = variant.golden_tolerance
    return ModelVariant(
        id=variant.id,
        data=bundle.read(variant.file),
        tolerance=0.0 if tolerance is None else tolerance.max_abs,
        runner=variant.runner,
        state=variant.state,
        reason=variant.reason,
        accuracy=variant.accuracy,
        parity=variant.parity,
    )
