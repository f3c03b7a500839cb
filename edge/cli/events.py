"""``edgewarden events``: what consumers need to read our events."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from edge.cli.command import Command, act_on, subcommand
from edge.cli.console import print_json


def _configure(parser: ArgumentParser) -> None:
    kinds = parser.add_subparsers(metavar="DOCUMENT", required=True)
    for name, act, text in (
        ("schema", _schema, "print the JSON Schema (2020-12) of every event"),
        ("asyncapi", _asyncapi, "print the AsyncAPI 3.0 document: topics, states, QoS"),
    ):
        subcommand(kinds, name, act, text, example=f"edgewarden events {name} > {name}.json")


def _schema(arguments: Namespace) -> int:
    from edge.events.schema import json_schema

    print_json(json_schema())
    return 0


def _asyncapi(arguments: Namespace) -> int:
    from edge.events.asyncapi import asyncapi

    print_json(asyncapi())
    return 0


command = Command(
    summary="print the schema of events and topics, for consumers",
    example="  edgewarden events asyncapi > asyncapi.json",
    configure=_configure,
    run=act_on,
)
