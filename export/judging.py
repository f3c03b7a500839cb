"""Every form of one model run in turn: judged and timed against the reference."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from calibration.detection import Boxes
from edge.bundler import Proof
from edge.cli.console import Progress
from edge.errors import ModelError
from edge.manifest import Manifest
from edge.proving import fresh_feeds
from edge.runner.base import Runner, Tensor
from edge.runner.golden import blank, compare, trial
from edge.runner.onnxruntime import OnnxRuntimeRunner, SessionSettings
from edge.vision.preprocess import to_tensor
from export.gate import Decision, Gate
from export.judgement import Judgement
from export.measures import Samples
from export.parity import golden_tolerance
from export.speed import Latency, Speed, measure_speed
from export.telling import other_outputs, telling_proof
from export.verdict import Form, Verdict, verdict_on

_ONE_THREAD = SessionSettings(threads=1)
_ROUNDS, _FEWEST_ROUNDS = 30, 10
_MOST_SECONDS = 10.0
_OTHER_SEED = 7
REFERENCE = "fp32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The reference of a model: its file, what it computed, and a manifest that names it alone."""

    data: bytes
    manifest: Manifest
    proof: Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Verdicts by name, the reference first, and how fast everything ran in one run. proof: with
    the golden inputs that the verdicts' tolerances belong to."""

    verdicts: Mapping[str, Verdict]
    speed: Speed
    proof: Proof


def open_gate(base: Base, samples: Samples, truth: Sequence[Boxes] | None = None) -> Gate:
    """The gate of a model on samples; the reference is run on them here.

    truth: what is in each picture, for detectors. Raises what the gate raises, as ``trial``
    translates it.
    """
    with OnnxRuntimeRunner(base.data, name=REFERENCE, settings=_ONE_THREAD) as reference, trial():
        return Gate(base.manifest, reference, samples, truth=truth)


def judge_bytes(gate: Gate, data: bytes) -> Judgement:
    """What the gate says of one form. Raises ModelError where it does not load or run."""
    with OnnxRuntimeRunner(data, name="a variant", settings=_ONE_THREAD) as runner, trial():
        return gate.judge(runner)


def judge_forms(
    base: Base,
    forms: Mapping[str, Form],
    gate: Gate | None,
    *,
    kind: str,
    same_golden: bool = False,
) -> Judged:
    """Judge and time forms, each under a name of its own.

    gate: None only where there is no form but the reference. kind: of the gate's samples, see
    ``export.verdict.verdict_on``. same_golden: keep the golden inputs even where others would tell
    the forms from broken ones better.

    Raises ModelError where a form does not load or run, and what the gate raises.
    """
    everything = {REFERENCE: Form(id="fp32", data=base.data), **forms}
    with ExitStack() as stack:
        runners: dict[str, Runner] = {}
        for name, form in everything.items():
            runner = OnnxRuntimeRunner(form.data, name=name, settings=_ONE_THREAD)
            runners[name] = stack.enter_context(runner)
        reference = runners[REFERENCE]
        speed = _time(runners, working_feeds(base, reference))
        judgements: dict[str, Judgement] = {}
        decisions: dict[str, Decision] = {}
        if forms and gate is not None:
            with Progress("judging", len(forms)) as progress, trial():
                for name, form in forms.items():
                    judgements[name] = gate.judge(runners[name])
                    decisions[name] = verdict_on(
                        form, judgements[name], speed.models[name], kind=kind
                    )
                    progress.step()
        usable = [runners[name] for name, one in decisions.items() if one.state != "refused"]
        with trial():
            proof = base.proof
            if usable and not same_golden:
                proof = telling_proof(proof, base.manifest, reference, usable)
            verdicts = {REFERENCE: _reference(proof, everything[REFERENCE], speed)}
            others = other_outputs(base.manifest, reference) if decisions else {}
            for name, decision in decisions.items():
                verdicts[name] = _verdict(
                    proof,
                    forms[name],
                    runners[name],
                    decision=decision,
                    judgement=judgements[name],
                    latency=speed.models[name],
                    others=others,
                )
    return Judged(verdicts=verdicts, speed=speed, proof=proof)


def _time(runners: Mapping[str, Runner], feeds: dict[str, Tensor]) -> Speed:
    """As many rounds as a large model leaves time for; the first runs are the warm-up's."""
    with trial():
        begin = time.perf_counter()
        for runner in runners.values():
            runner.infer(feeds)
        rounds = int(_MOST_SECONDS / (time.perf_counter() - begin))
        rounds = min(max(rounds, _FEWEST_ROUNDS), _ROUNDS)
        with Progress("timing", rounds) as progress:
            return measure_speed(
                runners, feeds, reference=REFERENCE, rounds=rounds, step=progress.step
            )


def working_feeds(base: Base, runner: Runner) -> dict[str, Tensor]:
    """One batch of the size that a camera works at, to time with."""
    spec = base.manifest.input
    if spec is None:
        feeds = fresh_feeds(base.manifest, runner.signature, seed=_OTHER_SEED)
        count = runner.max_batch or 1
        return {name: value[:count] for name, value in feeds.items()}
    random = np.random.default_rng(_OTHER_SEED)
    picture = random.integers(0, 256, blank(spec).shape, np.uint8)
    return {spec.name: to_tensor([picture] * spec.batch.min, spec)}


def _reference(proof: Proof, form: Form, speed: Speed) -> Verdict:
    return Verdict(
        form=form,
        decision=Decision("accepted"),
        tolerance=proof.tolerance,
        max_abs=0.0,
        judgement=None,
        latency=speed.models[REFERENCE],
    )


def _verdict(
    proof: Proof,
    form: Form,
    runner: Runner,
    *,
    decision: Decision,
    judgement: Judgement,
    latency: Latency,
    others: Mapping[str, Tensor],
) -> Verdict:
    outputs = runner.infer(proof.feeds)
    max_abs = compare(proof.outputs, outputs)
    tolerance = max_abs
    try:
        tolerance = golden_tolerance(outputs, proof.outputs, others)
    except ModelError as exc:
        if decision.state != "refused":
            decision = Decision("refused", f"{exc.message}: {exc.found}")
    return Verdict(
        form=form,
        decision=decision,
        tolerance=tolerance,
        max_abs=max_abs,
        judgement=judgement,
        latency=latency,
    )
