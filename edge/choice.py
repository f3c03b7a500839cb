"""Which variant of a model to run here, and why that one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from edge.device import DeviceFacts
from edge.errors import BundleError
from edge.manifest import Manifest, Variant

# Best first. FP16 is slower than FP32 on a CPU, so it is not among them.
_CPU_ORDER = ("int8-cpu", "fp32")
_X86 = ("x86_64", "AMD64", "i686")
_EXACT_INT8 = frozenset({"avx512_vnni", "avx_vnni"})


@dataclass(frozen=True, slots=True)
class Choice:
    """The variant to run. reason: one line, with the variants passed over and why."""

    variant: Variant
    reason: str


def choose_variant(
    manifest: Manifest,
    *,
    runners: Collection[str],
    device: DeviceFacts,
    variant: str | None = None,
) -> Choice:
    """The best accepted variant that one of ``runners`` can run on this device.

    variant: take this one, even if another would be better or its speed is not measured; a refused
    one, or one that nothing here can run, is an error all the same.

    Raises BundleError where there is none, saying of each variant why not.
    """
    if variant is not None:
        return _forced(manifest, variant, runners)
    objections = {v.id: _objection(v, runners, device) for v in manifest.variants}
    fit = [v for v in manifest.variants if objections[v.id] is None]
    if not fit:
        raise BundleError(
            f"bundle {manifest.name} has no variant that runs here",
            expected=f"an accepted variant for {', '.join(sorted(runners)) or 'any runner'}",
            found="; ".join(f"{key}: {why}" for key, why in objections.items()),
            remedy="Export a variant for this device, or name one to run all the same.",
        )
    best = min(fit, key=lambda v: _CPU_ORDER.index(v.id))
    over = [f"{key} ({why})" for key, why in objections.items() if why is not None]
    over += [f"{v.id} (slower)" for v in fit if v is not best]
    reason = f"{best.id}: accepted" + (f"; passed over: {', '.join(over)}" if over else "")
    return Choice(best, reason)


def _forced(manifest: Manifest, variant_id: str, runners: Collection[str]) -> Choice:
    try:
        variant = manifest.variant(variant_id)
    except KeyError as exc:
        raise BundleError(
            f"bundle {manifest.name} has no such variant",
            expected=f"one of {', '.join(v.id for v in manifest.variants)}",
            found=f"{variant_id!r:.80}",
        ) from exc
    objection = _refusal(variant, runners)
    if objection is not None:
        raise BundleError(
            f"variant {variant.id} of bundle {manifest.name} cannot be run",
            expected=f"a variant that is not refused, for {', '.join(sorted(runners))}",
            found=objection,
            remedy="Name another variant, or none to have one chosen.",
        )
    return Choice(variant, f"{variant.id}: asked for by name; its state is {variant.state}")


def _refusal(variant: Variant, runners: Collection[str]) -> str | None:
    if variant.state == "refused":
        return f"refused: {variant.reason}"
    if variant.runner not in runners:
        return f"runner {variant.runner} is not available"
    return None


def _objection(variant: Variant, runners: Collection[str], device: DeviceFacts) -> str | None:
    refusal = _refusal(variant, runners)
    if refusal is not None:
        return refusal
    if variant.state == "candidate":
        return "candidate: its speed on the target is not measured"
    if variant.id not in _CPU_ORDER:
        return "not for a CPU"
    if variant.id == "int8-cpu" and device.machine in _X86 and not device.cpu_flags & _EXACT_INT8:
        # Without VNNI, sums of two 8-bit products saturate at 16 bits (VPMADDUBSW).
        return "inexact on an x86 CPU without VNNI"
    return None
