"""One engine built and kept: from a variant of a bundle to a file that the daemon trusts.

Like ``export.engine`` this needs nothing beyond the base install and TensorRT.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge.bundle import Bundle
from edge.cuda import GpuFacts
from edge.device import DeviceFacts
from edge.durable import replace_file
from edge.engines import (
    Sidecar,
    StoredEngine,
    device_key,
    engine_path,
    read_engine,
    timing_cache_path,
    write_engine,
)
from edge.errors import EngineError
from export.engine import (
    BuildSettings,
    Profile,
    Recipe,
    Watcher,
    build_plan,
    profile_of,
    recipes,
    tensorrt_version,
    workspace_for,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Where engines are built: TensorRT's module, the GPU and the device, and the site's folders.

    workspace: bytes, None for what suits the GPU. level: builder_optimization_level, 0 to 5.
    """

    trt: Any
    gpu: GpuFacts
    device: DeviceFacts
    cache_dir: Path
    state_dir: Path
    workspace: int | None = None
    level: int = 3


def choose_recipes(bundle: Bundle, workshop: Workshop, variant: str | None) -> list[Recipe]:
    """What can be built of a bundle, or the one variant that is asked for.

    Raises EngineError where there is nothing to build.
    """
    known = recipes(bundle.manifest, tensorrt_version(workshop.trt)[0])
    chosen = [recipe for recipe in known if variant in (None, recipe.variant)]
    if not chosen:
        raise EngineError(
            f"bundle {bundle.manifest.name} has nothing to build for TensorRT "
            f"{workshop.trt.__version__}",
            expected=variant or "an fp32, fp16 or int8 variant that is not refused",
            found=", ".join(f"{v.id} ({v.state})" for v in bundle.manifest.variants),
            remedy="Export the bundle with such a variant.",
        )
    return chosen


def find_engine(bundle: Bundle, recipe: Recipe, workshop: Workshop) -> StoredEngine | None:
    """The engine that was built before, checked; None where there is none or it is not right."""
    try:
        return read_engine(
            _path(bundle, recipe, workshop),
            key=device_key(workshop.state_dir),
            bundle=bundle.sha256,
            onnx=_source(bundle, recipe)[1],
        )
    except EngineError:
        return None  # built anew, and replaced


def build_engine(
    bundle: Bundle, recipe: Recipe, workshop: Workshop, watcher: Watcher | None = None
) -> StoredEngine:
    """Build one variant and put it, with its sidecar, in the place of an earlier one.

    Raises EngineError where TensorRT does not build it, OutputError or StoreFullError where it
    cannot be written; an earlier engine is then still there.
    """
    name, onnx_hash = _source(bundle, recipe)
    path = _path(bundle, recipe, workshop)
    cache = timing_cache_path(workshop.cache_dir, tensorrt=_version(workshop), sm=workshop.gpu.sm)
    settings = BuildSettings(
        workspace=workshop.workspace or workspace_for(workshop.gpu),
        level=workshop.level,
        timing_cache=cache.read_bytes() if cache.is_file() else b"",
    )
    profile = profile_of(bundle.manifest)
    key = device_key(workshop.state_dir)
    began = time.monotonic()
    plan = build_plan(
        workshop.trt,
        bundle.read(name),
        name=f"{bundle.manifest.name}/{name}",
        recipe=recipe,
        profile=profile,
        settings=settings,
        watcher=watcher,
    )
    sidecar = Sidecar(
        bundle=bundle.sha256,
        variant=bundle.manifest.variant(recipe.variant).id,
        onnx=onnx_hash,
        engine=hashlib.sha256(plan.data).hexdigest(),
        bytes=len(plan.data),
        tensorrt=_version(workshop),
        sm=workshop.gpu.sm,
        cuda=workshop.gpu.driver,
        l4t=workshop.device.l4t,
        gpu=workshop.gpu.name,
        flags=plan.flags,
        profile={name: _sides(profile, name) for name in profile},
        build={
            "seconds": round(time.monotonic() - began, 1),
            "workspace": settings.workspace,
            "warnings": list(plan.warnings),
        },
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    write_engine(path, plan.data, sidecar, key=key)
    if plan.timing_cache:
        replace_file(cache, plan.timing_cache)
    return StoredEngine(path, sidecar, plan.data)


def _path(bundle: Bundle, recipe: Recipe, workshop: Workshop) -> Path:
    return engine_path(
        workshop.cache_dir,
        bundle=bundle.sha256,
        variant=recipe.variant,
        tensorrt=_version(workshop),
        sm=workshop.gpu.sm,
    )


def _source(bundle: Bundle, recipe: Recipe) -> tuple[str, str]:
    """The file that a recipe is built from, and its sha256."""
    name = bundle.manifest.variant(recipe.source).file
    return name, bundle.manifest.file(name).sha256


def _version(workshop: Workshop) -> str:
    return str(workshop.trt.__version__)


def _sides(profile: Profile, name: str) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(side) for side in profile[name])
