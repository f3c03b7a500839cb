"""docs/tutorial-digits.md, run as it is written, with fewer steps."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs PyTorch: run scripts/test-frameworks")
import torch

from edge.bundle import open_bundle
from edge.cli import main

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial-digits.md"


@pytest.fixture
def digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The page's module, in a folder that commands are run in."""
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "digits.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "digits", raising=False)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield importlib.import_module("digits")
    torch.set_num_threads(threads)
    sys.modules.pop("digits", None)


def commands() -> list[list[str]]:
    lines = re.findall(r"^edgewarden (export .*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [shlex.split(line) for line in lines]


def test_both_networks_learn_and_become_bundles(
    digits: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gan, vae, fresh = commands()
    maker = digits.train_gan(steps=150)
    real = digits.digits()
    made = (maker(torch.randn(256, digits.LATENT)).detach() + 1) / 2
    blank = torch.full_like(made, 0.5)

    # Far nearer to what digits look like in the mean than the grey that it starts from.
    def apart(pictures: Any) -> float:
        return float((pictures.mean(0) - real.mean(0)).abs().mean())

    assert apart(made) < 0.5 * apart(blank)
    rebuilt = digits.train_vae(steps=200)(real).detach()
    assert float((rebuilt - real).square().mean()) < 0.6 * float(real.var(0).mean())
    assert main(gan) == 0
    assert main(vae) == 0
    manifest = open_bundle(tmp_path / "digits-gan", require_signed=False).manifest
    assert (manifest.role, manifest.training) == ("synthesiser", "verified")
    manifest = open_bundle(tmp_path / "digits-vae", require_signed=False).manifest
    assert (manifest.role, manifest.training) == ("anomaly", "unverified")
    torch.save(digits.Generator().state_dict(), "fresh.pt")
    capsys.readouterr()
    assert main(fresh) == 2
    assert re.search("reinitialised|wrong range|untrained", capsys.readouterr().err)
    assert not (tmp_path / "digits-fresh").exists()
