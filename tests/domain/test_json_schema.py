"""JSON Schemas: what is none is said at once, what does not fit is said with its path."""

import pytest

from streams.domain.expressions.json_schema import FAULTS_MAX, Fault, JsonSchema, SchemaError

LINES = {
    "type": "object",
    "required": ["lines"],
    "properties": {
        "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
        "note": {"type": ["string", "null"]},
    },
    "additionalProperties": False,
    "$defs": {"line": {"type": "object", "properties": {"price": {"minimum": 0}}}},
}


@pytest.mark.parametrize("value", [{"lines": []}, {"lines": [{"price": 1.5}], "note": None}])
def test_what_fits_has_no_fault(value):
    assert JsonSchema(LINES).faults(value) == []


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ([], Fault("$", "object is needed, this is array")),
        ({}, Fault("$", "'lines' is a required property")),
        ({"lines": [{}, 7]}, Fault("$.lines[1]", "object is needed, this is integer")),
        ({"lines": [], "note": True}, Fault("$.note", "string or null is needed, this is boolean")),
        (
            {"lines": [{"price": -1}]},
            Fault("$.lines[0].price", "-1 is less than the minimum of 0"),
        ),
    ],
)
def test_what_does_not_fit_is_said_with_its_path(value, fault):
    assert JsonSchema(LINES).faults(value) == [fault]


def test_every_fault_is_told_up_to_a_number():
    found = JsonSchema({"items": {"type": "string"}}).faults(list(range(100)))
    assert len(found) == FAULTS_MAX
    assert str(found[0]) == "$[0]: string is needed, this is integer"


def test_a_long_value_is_not_told_whole():
    (found,) = JsonSchema({"maxLength": 3}).faults("x" * 10_000)
    assert len(found.message) == 300


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("object", "an object, or true or false"),
        ({"type": "text"}, r"at \$.type: 'text' is not valid"),
        ({"properties": {"a": {"minimum": "1"}}}, r"at \$.properties.a.minimum: number is needed"),
        ({"pattern": "("}, "at"),
        ({"$ref": "#/$defs/nobody"}, "leads to nothing"),
        ({"items": {"$ref": "https://example.org/a.json"}}, "leads outside"),
        ({"description": "x" * 70_000}, "at most 65536 bytes"),
    ],
)
def test_what_is_no_schema_is_refused(source, words):
    with pytest.raises(SchemaError, match=words):
        JsonSchema(source)


def test_data_in_a_schema_is_no_reference():
    assert JsonSchema({"const": {"$ref": "x"}}).faults({"$ref": "x"}) == []


def test_a_schema_that_refers_to_itself_without_end_refuses_every_value():
    (found,) = JsonSchema({"$ref": "#"}).faults(1)
    assert "refers to itself" in found.message


def test_a_format_is_a_remark():
    assert JsonSchema({"format": "date"}).faults("tomorrow") == []


def test_true_takes_all_and_false_nothing():
    assert JsonSchema(source=True).faults(1) == []
    assert len(JsonSchema(source=False).faults(1)) == 1
