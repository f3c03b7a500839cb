"""Golden inputs on which every variant can be told from a broken one.

Golden inputs are made, not photographed: a bundle shows nobody. A quantised model may compute what
it should of the pictures of its kind and yet be far off on one that was made; the tolerance that it
needs there would let anything pass. Then others are looked for that it is closer on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from edge.bundler import Proof
from edge.errors import ModelError
from edge.manifest import Manifest
from edge.proving import fresh_feeds
from edge.runner.base import Runner, Tensor
from export.parity import golden_tolerance

_OTHER_SEED = 7
_SEEDS = range(101, 117)


def other_outputs(manifest: Manifest, reference: Runner) -> dict[str, Tensor]:
    """What the reference gives for inputs that are never golden ones."""
    return reference.infer(fresh_feeds(manifest, reference.signature, seed=_OTHER_SEED))


def telling_proof(
    proof: Proof, manifest: Manifest, reference: Runner, variants: Sequence[Runner]
) -> Proof:
    """``proof`` where every variant can be told from a broken one on its golden inputs; else the
    first of some others where that is so, or the one with which most can.

    Raises what running the models raises.
    """
    others = other_outputs(manifest, reference)
    best, most = proof, -1
    for candidate in _candidates(proof, manifest, reference):
        told = sum(_is_told(candidate, runner, others) for runner in variants)
        if told > most:
            best, most = candidate, told
        if told == len(variants):
            break
    return best


def _candidates(proof: Proof, manifest: Manifest, reference: Runner) -> Iterator[Proof]:
    yield proof
    for seed in _SEEDS:
        feeds = fresh_feeds(manifest, reference.signature, seed=seed)
        yield replace(proof, feeds=feeds, outputs=reference.infer(feeds))


def _is_told(proof: Proof, runner: Runner, others: Mapping[str, Tensor]) -> bool:
    try:
        golden_tolerance(runner.infer(proof.feeds), proof.outputs, others)
    except ModelError:
        return False
    return True
