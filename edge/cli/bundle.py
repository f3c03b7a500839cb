"""``edgewarden bundle``: make, look at, verify and sign model bundles."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.command import Command, act_on, registered_actions, subcommand
from edge.cli.console import print_json, table
from edge.cli.describing import about_from, add_description, template_help, wishes_from
from edge.cli.pull import add_pull
from edge.templates import ROLES, TEMPLATES

if TYPE_CHECKING:
    from edge.bundle import Bundle


def _configure(parser: ArgumentParser) -> None:
    kinds = parser.add_subparsers(metavar="ACTION", required=True)
    _configure_new(
        subcommand(
            kinds,
            "new",
            _new,
            "make a bundle from an ONNX file and a template",
            example="edgewarden bundle new yunet.onnx --template yunet --out bundles/yunet-n",
        )
    )
    for name, run, text, more in (
        ("show", _show, "print what a bundle says of itself", ""),
        (
            "verify",
            _verify,
            "check signature, files and golden outputs on this machine",
            " --key keys/release.pub",
        ),
    ):
        example = f"edgewarden bundle {name} bundles/yunet-n{more}"
        sub = subcommand(kinds, name, run, text, example=example)
        sub.add_argument("bundle", type=Path, metavar="BUNDLE", help="the bundle's folder")
        sub.add_argument("--json", action="store_true", help="print one JSON document")
        if name == "verify":
            sub.add_argument(
                "--key",
                type=Path,
                action="append",
                default=[],
                metavar="PUB",
                help="a public key that is trusted; without one the signature is not checked",
            )
    keygen = subcommand(
        kinds,
        "keygen",
        _keygen,
        "make a key pair: PREFIX.key and PREFIX.pub",
        example="edgewarden bundle keygen keys/release",
    )
    keygen.add_argument("prefix", type=Path, metavar="PREFIX")
    sign = subcommand(
        kinds,
        "sign",
        _sign,
        "sign bundles, which are immutable from then on",
        example="edgewarden bundle sign bundles/yunet-n --key keys/release.key",
    )
    sign.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE")
    sign.add_argument("--key", type=Path, required=True, metavar="KEY", help="the private key")
    sign.add_argument("--replace", action="store_true", help="replace a signature that is there")
    add_pull(kinds)
    registered_actions(kinds, "edgewarden.bundle")


def _configure_new(parser: ArgumentParser) -> None:
    parser.description = (
        "Loads the model, checks that its outputs fit the template's decoder, records golden "
        "outputs and writes a bundle. Nothing is written when anything does not fit."
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="an ONNX file")
    parser.add_argument(
        "--template",
        required=True,
        choices=sorted(TEMPLATES),
        metavar="TEMPLATE",
        help=template_help(),
    )
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="a new folder")
    parser.add_argument(
        "--role",
        choices=ROLES,
        metavar="ROLE",
        help="another role that the template's decoder can have",
    )
    add_description(parser)


def _new(arguments: Namespace) -> int:
    from edge.bundler import BundleRequest, make_bundle

    request = BundleRequest(
        model=arguments.model,
        template=arguments.template,
        about=about_from(arguments, arguments.model.name),
        wishes=wishes_from(arguments),
    )
    bundle = make_bundle(request, arguments.out)
    print(f"{arguments.out}: {bundle.manifest.role} {bundle.manifest.name}, sha256 {bundle.sha256}")
    return 0


def _show(arguments: Namespace) -> int:
    from edge.bundle import open_bundle

    bundle = open_bundle(arguments.bundle, require_signed=False)
    if arguments.json:
        print_json(bundle.manifest.model_dump(mode="json"))
    else:
        print(table(["", "value"], _facts(bundle)))
    return 0


def _verify(arguments: Namespace) -> int:
    from edge.assembly import check_golden, open_runner
    from edge.bundle import open_bundle
    from edge.signature import load_public_key

    keys = [load_public_key(path) for path in arguments.key]
    bundle = open_bundle(arguments.bundle, require_signed=bool(keys), trusted_keys=keys)
    runner, variant = open_runner(bundle)
    with runner:
        difference = check_golden(runner, bundle, variant)
    result = {
        "bundle": bundle.manifest.name,
        "sha256": bundle.sha256,
        "signed_by": bundle.keyid,
        "variant": variant,
        "golden_max_abs": difference,
    }
    if arguments.json:
        print_json(result)
        return 0
    signature = f"signed by {bundle.keyid}" if keys else "signature not checked: no --key"
    golden = "no golden outputs" if difference is None else f"golden within {difference:.2g}"
    print(f"{arguments.bundle}: whole; {signature}; {variant} runs here, {golden}")
    return 0


def _keygen(arguments: Namespace) -> int:
    from edge.signature import generate_keypair

    pair = generate_keypair(arguments.prefix)
    print(f"{pair.private}: keep it secret\n{pair.public}: give it to cameras, as trusted_keys")
    return 0


def _sign(arguments: Namespace) -> int:
    from edge.bundle import require_signable, sign_bundle
    from edge.signature import load_private_key

    key = load_private_key(arguments.key)
    for path in arguments.bundles:  # all are looked at before any is changed
        require_signable(path, replace=arguments.replace)
    for path in arguments.bundles:
        print(f"{path}: signed by {sign_bundle(path, key, replace=arguments.replace)}")
    return 0


def _facts(bundle: Bundle) -> list[list[object]]:
    manifest = bundle.manifest
    rows: list[list[object]] = [
        ["name", f"{manifest.name} {manifest.version}"],
        ["role", manifest.role],
        ["decoder", manifest.decoder.name],
        ["sha256", bundle.sha256],
        ["license", manifest.license],
        ["training", manifest.training],
        ["source", manifest.provenance.source],
        ["built", f"{manifest.provenance.created} by {manifest.provenance.tool}"],
    ]
    if manifest.input is not None:
        spec = manifest.input
        axes = [str(a.opt) if a.fixed else f"{a.min}..{a.max} ({a.opt})" for a in spec.shape]
        rows.append(["input", f"{spec.color} {spec.dtype} {spec.layout} {' × '.join(axes)}"])
    if manifest.latent is not None:
        latent = manifest.latent
        rows.append(["latent", f"{latent.name}, {latent.dim} values, {latent.distribution}"])
    if manifest.condition is not None:
        rows.append(
            ["condition", f"{manifest.condition.name}: {', '.join(manifest.condition.labels)}"]
        )
    if manifest.calibration is not None:
        record = manifest.calibration
        rows.append(["calibrated on", f"{record.get('count')} samples, {record.get('kind')}"])
    for variant in manifest.variants:
        state = f"{variant.state} {variant.reason or ''}".strip()
        rows.append([f"variant {variant.id}", f"{state}, opset {variant.opset}, {variant.runner}"])
    for threshold in manifest.thresholds:
        rates = f"FMR {threshold.fmr}, FNMR {threshold.fnmr}"
        rows.append(["threshold", f"{threshold.metric} ≥ {threshold.value:g} ({rates})"])
    return rows


command = Command(
    summary="make, look at, verify and sign model bundles",
    example="  edgewarden bundle new yunet.onnx --template yunet --out bundles/yunet-n\n"
    "  edgewarden bundle keygen keys/release\n"
    "  edgewarden bundle sign bundles/yunet-n --key keys/release.key\n"
    "  edgewarden bundle verify bundles/yunet-n --key keys/release.pub",
    configure=_configure,
    run=act_on,
)
