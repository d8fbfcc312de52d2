"""Schemas of values: what they find, and that checking ends."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from streams.domain.expressions.json_schema import FAULTS_MAX, Fault, JsonSchema, SchemaError

ORDER = {
    "type": "object",
    "properties": {
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"price": {"type": "number", "multipleOf": 0.01}},
                "required": ["price"],
                "additionalProperties": False,
            },
        },
        "day": {"format": "date"},
        "code": {"pattern": '^[A-ZÄ]{2}"\\d+$'},
    },
}
FOUND: list[tuple[Any, Any, str]] = [
    (ORDER, {"items": [{"price": 19.99}, {"price": 3}], "day": "2026-02-28"}, ""),
    (ORDER, {"items": [{"price": "x"}]}, "$.items[0].price: number is needed, this is string"),
    (ORDER, {"items": [{"price": 1.001}]}, "$.items[0].price: 1.001 is not a multiple of 0.01"),
    (ORDER, {"items": [{"price": 1}, {}]}, "$.items[1]: 'price' is a required property"),
    (ORDER, {"items": [{"price": 1, "n": 2}]}, "$.items[0]: 'n' is not one of price"),
    (ORDER, {"day": "2026-02-30"}, "$.day: '2026-02-30' is no date"),
    (ORDER, {"code": 'ÄA"7'}, ""),
    (ORDER, {"code": "AA7"}, """$.code: 'AA7' does not match '^[A-ZÄ]{2}"\\\\d+$'"""),
    ({"format": "date-time"}, "2026-05-01T08:00:00+02:00", ""),
    ({"format": "date-time"}, "tomorrow", "$: 'tomorrow' is no date-time"),
    ({"format": "duration"}, "PT5M", ""),
    ({"format": "email"}, "nobody", "$: 'nobody' is no email"),
    ({"format": "uuid"}, "1-2", "$: '1-2' is no uuid"),
    ({"format": "of-ours"}, "anything", ""),
    ({"uniqueItems": True}, [1, True, {"a": 1}], ""),
    ({"uniqueItems": True}, [1, 1.0], "$: 1.0 stands in it twice"),
    ({"patternProperties": {"^n": {"type": "integer"}}}, {"n1": "x"}, "$.n1: integer is needed"),
    ({"additionalProperties": {"type": "integer"}}, {"a": "x"}, "$.a: integer is needed"),
    (
        {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "null"}}},
        1,
        "$: null is needed, this is integer",
    ),
    ({"properties": {"next": {"$ref": "#"}}, "type": "object"}, {"next": {"next": 1}}, "$.next.n"),
    (False, 1, "$: False schema does not allow 1"),
    (True, 1, ""),
]


@pytest.mark.parametrize(("schema", "value", "said"), FOUND)
def test_a_violation_names_path_and_reason(schema: Any, value: Any, said: str) -> None:
    found = JsonSchema(schema).faults(value)
    assert len(found) == bool(said)
    assert str(found[0] if found else "").startswith(said)


REFUSED: list[tuple[Any, str]] = [
    ("object", "an object, or true or false"),
    ({"type": "strin"}, "at $.type: "),
    ({"minimum": "a"}, "'a' is not of type 'number'"),
    ({"$ref": "https://example.com/order"}, "a $ref leads to # or #/$defs/NAME"),
    ({"$ref": "#/$defs/b"}, "leads nowhere"),
    ({"$ref": "#/x", "x": {"type": 3}}, "at $.$ref.type: "),
    ({"$ref": "#"}, "refers to itself without going into the value"),
    (
        {"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"not": {"$ref": "#"}}}},
        "refers to itself",
    ),
    ({"pattern": "(?=a)b"}, "no look-around"),
    ({"patternProperties": {"(a)\\1": True}}, "no references back"),
    ({"pattern": "a" * 501}, "at most 500 characters"),
    ({"properties": {"a": {"$id": "x"}}}, "only the whole schema has an $id"),
    ({"$dynamicRef": "#a"}, "$dynamicRef is not supported"),
    ({"$defs": {"a": {"$anchor": "a"}}}, "$anchor is not supported"),
    ({"$schema": "http://json-schema.org/draft-07/schema#"}, "a schema is of Draft 2020-12"),
    ({"enum": ["x" * 70_000]}, "at most 65536 bytes"),
    (
        {"patternProperties": {"a": True}, "unevaluatedProperties": False},
        "beside unevaluatedProperties",
    ),
]


@pytest.mark.parametrize(("schema", "said"), REFUSED)
def test_what_is_no_schema_is_refused_with_its_place(schema: Any, said: str) -> None:
    with pytest.raises(SchemaError) as refusal:
        JsonSchema(schema)
    assert said in str(refusal.value)


def nested(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels):
        value = {"a": value}
    return value


def test_a_schema_of_too_many_levels_is_refused() -> None:
    schema: Any = {}
    for _ in range(40):
        schema = {"items": schema}
    with pytest.raises(SchemaError, match="at most 32 levels"):
        JsonSchema(schema)


def test_a_check_that_would_take_for_ever_is_given_up() -> None:
    twice = {"properties": {"a": {"$ref": "#"}}}
    doubling = JsonSchema({"allOf": [twice, twice]})
    assert doubling.faults(nested(5)) == []
    assert "more than 20000 steps" in str(doubling.faults(nested(50)))
    assert "at most 64 levels" in str(JsonSchema({}).faults(nested(70)))


def test_a_pattern_takes_linear_time() -> None:
    began = time.monotonic()
    assert JsonSchema({"pattern": "(a+)+$"}).faults("a" * 50_000 + "b") != []
    assert time.monotonic() - began < 2.0


def test_a_reason_holds_no_long_value() -> None:
    (found,) = JsonSchema({"maxLength": 3}).faults("x" * 10_000)
    assert len(found.message) == 300


def test_every_fault_is_told_up_to_a_number() -> None:
    found = JsonSchema({"items": {"type": "string"}}).faults(list(range(100)))
    assert len(found) == FAULTS_MAX
    assert str(found[0]) == "$[0]: string is needed, this is integer"


def test_of_alternatives_the_nearest_is_told() -> None:
    schema = {"anyOf": [{"type": "integer"}, {"type": "object", "required": ["b"]}]}
    assert JsonSchema(schema).faults({"a": 1}) == [Fault("$", "'b' is a required property")]


def test_data_in_a_schema_is_no_reference() -> None:
    assert JsonSchema({"const": {"$ref": "x"}}).faults({"$ref": "x"}) == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, "", "a", "bb"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)
SCHEMAS = st.recursive(
    st.booleans()
    | st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array", "integer", "number", "string", "boolean"]),
            "minimum": st.integers(-2, 2),
            "multipleOf": st.sampled_from([1, 2, 0.5]),
            "maxLength": st.integers(0, 2),
            "pattern": st.sampled_from(["^a", "b$", ""]),
            "uniqueItems": st.booleans(),
            "required": st.lists(st.sampled_from("abc"), unique=True, max_size=2),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
            "patternProperties": st.dictionaries(st.sampled_from(["a", "^b"]), inner, max_size=2),
            "additionalProperties": inner,
            "items": inner,
            "contains": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
        },
    ),
    max_leaves=6,
)


@given(SCHEMAS, VALUES)
@settings(max_examples=60, deadline=None)
def test_a_value_is_found_valid_where_the_library_finds_it_valid(schema: Any, value: Any) -> None:
    plain = Draft202012Validator(schema).is_valid(value)
    assert (JsonSchema(schema).faults(value) == []) == plain
