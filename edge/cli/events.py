"""``edgewarden events``: what consumers need to read our events."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from edge.cli.command import Command
from edge.cli.console import print_json


def _configure(parser: ArgumentParser) -> None:
    kinds = parser.add_subparsers(metavar="DOCUMENT", dest="document", required=True)
    kinds.add_parser("schema", help="JSON Schema (2020-12) of every event")
    kinds.add_parser("asyncapi", help="AsyncAPI 3.0: topics, retained states, quality of service")


def _run(arguments: Namespace) -> int:
    from edge.events.asyncapi import asyncapi
    from edge.events.schema import json_schema

    documents = {"schema": json_schema, "asyncapi": asyncapi}
    print_json(documents[arguments.document]())
    return 0


command = Command(
    summary="print the schema of events and topics, for consumers",
    example="  edgewarden events asyncapi > asyncapi.json",
    configure=_configure,
    run=_run,
)
