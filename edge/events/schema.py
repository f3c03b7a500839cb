"""JSON Schema of every event, generated from the types."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from edge.events.cloudevents import ENVELOPES

JsonObject = dict[str, object]


def json_schema() -> JsonObject:
    """The JSON Schema (draft 2020-12) of a whole event: one of all that there are."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:edgewarden:events:v1",
        "title": "Edgewarden event",
        "description": "A CloudEvents 1.0 event in structured JSON, as Edgewarden publishes it.",
        "oneOf": [{"$ref": f"#/$defs/{model.__name__}"} for model in ENVELOPES.values()],
        "$defs": definitions(ENVELOPES.values(), ref_template="#/$defs/{model}"),
    }


def definitions(models: Iterable[type[BaseModel]], *, ref_template: str) -> JsonObject:
    """The schemas of these models, and of all they are made of, by name.

    ref_template: how one refers to another, with ``{model}`` for its name. They mean the same in
    draft 2020-12 and in draft 7.
    """
    _, schema = models_json_schema(
        [(model, "serialization") for model in models],
        ref_template=ref_template,
        schema_generator=_Generator,
    )
    found: JsonObject = schema["$defs"]
    return found


class _Generator(GenerateJsonSchema):
    def tuple_schema(self, schema: core_schema.TupleSchema) -> JsonSchemaValue:
        """A tuple of equal parts is an array of fixed length; draft 7 has no ``prefixItems``."""
        result = super().tuple_schema(schema)
        parts = result.pop("prefixItems", None)
        if parts is not None:
            result["items"] = parts[0]
        return result

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """A default is not stated: it would say that an absent subject is an empty one."""
        return self.generate_inner(schema["schema"])

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Keys that break their pattern are refused, as they are when an event is read."""
        result = super().dict_schema(schema)
        if "patternProperties" in result:
            result["additionalProperties"] = False
        return result

    def field_title_should_be_set(self, schema: object) -> bool:
        """No titles that only repeat the name of a field."""
        return False
