"""JSON as Tidemill takes it: canonical, within 64 bits, and nothing changed in silence."""

import math

import pytest

from schemas.json_text import JsonError, canonical, parse, parse_object


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [None, True, "é"]}, '{"a":[null,true,"é"],"b":1}'),
        (1.0, "1.0"),
        (-(1 << 63), "-9223372036854775808"),
        ("null", '"null"'),
    ],
)
def test_a_value_has_one_text(value, text):
    assert canonical(value) == text.encode()
    assert parse(text) == value


@pytest.mark.parametrize(
    "value",
    [math.inf, -math.inf, math.nan, {"a": [1, {"b": math.nan}]}, (math.inf,), object(), "\ud800"],
)
def test_a_value_that_json_has_not_is_refused_and_never_becomes_null(value):
    with pytest.raises(JsonError, match="cannot be written as JSON"):
        canonical(value)


@pytest.mark.parametrize(
    "text", ["", "{", "nan", "1e999", '{"n":9223372036854775808}', "[" * 9_999]
)
def test_a_text_that_is_no_json_or_no_number_of_64_bits_is_refused(text):
    with pytest.raises(JsonError):
        parse(text)


@pytest.mark.parametrize("text", ["[]", "1", "null", '{"n":-9223372036854775809}'])
def test_what_is_no_object_of_such_is_refused(text):
    with pytest.raises(JsonError):
        parse_object(text)


def test_an_integer_above_64_bits_says_what_to_send_instead():
    with pytest.raises(JsonError, match="outside int64; send it as a string"):
        parse('{"deep":[18446744073709551616]}')
