"""Expressions: conditions, mappings, errors with the values they saw; durations and dates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.json_text import canonical, parse
from streams.domain.expressions.cel import CompileError, ExpressionError, compile_cel
from streams.domain.expressions.mixed import mixed_arithmetic
from streams.domain.expressions.moments import DURATION_MS_MAX, date_ms, duration_ms
from streams.domain.expressions.values import compile_value, pieces_of
from streams.domain.net.model import Expression

VARIABLES = {
    "n": b"5",
    "x": b"2.5",
    "name": b'"Ann"',
    "yes": b"true",
    "none": b"null",
    "items": b"[1,2,3]",
    "order": b'{"lines":[{"sku":"a","qty":2}],"total":9.5}',
}


@pytest.mark.parametrize(
    ("source", "truth"),
    [
        ("n > 4", True),
        ("n > 5", False),
        ("yes && !(n == 6)", True),
        ('name == "Ann" || missing', True),
        ("none == null", True),
        ("workflow.n == n", True),
        ("2 in items", True),
        ("items.exists(i, i > 2)", True),
        ("order.lines[0].qty == 2", True),
        ("has(order.note)", False),
        ("size(items) == 3", True),
        ('name.startsWith("A")', True),
        ('"workflow.gone" == name', False),
        (r'r"\" + string(workflow.n) == "\\5"', True),
        ("workflow // the whole\n.n == 5", True),
    ],
)
def test_conditions(source, truth):
    assert compile_cel(source, {}).truth(VARIABLES) is truth


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("n + 1", 6),
        ("x * 2.0", 5.0),
        ("double(n) * x", 12.5),
        ("n / 2", 2),
        ("items.map(i, i * 2)", [2, 4, 6]),
        ('{"a": n, "b": [name]}', {"a": 5, "b": ["Ann"]}),
        ("yes ? name : n", "Ann"),
        ("none", None),
        ("string(n)", "5"),
        ("workflow.order.total", 9.5),
        ('workflow["name"]', "Ann"),
    ],
)
def test_values_keep_their_type(source, value):
    found = compile_cel(source, {}).evaluate(VARIABLES)
    assert found == value
    assert type(found) is type(value)


def test_a_variable_declared_as_a_number_is_a_double_even_without_a_fraction():
    assert compile_cel("n * 1.5", {"n": "number"}).evaluate(VARIABLES) == 7.5
    with pytest.raises(ExpressionError):
        compile_cel("n * 1.5", {}).evaluate(VARIABLES)


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("missing + n", {"n": 5}),
        ('n + "1"', {"n": 5}),
        ("n / 0", {"n": 5}),
        ("items[9]", {"items": [1, 2, 3]}),
        ("order.note", {"order": {"lines": [{"sku": "a", "qty": 2}], "total": 9.5}}),
        ("workflow.gone", {"workflow": {}}),
        ("workflow.n.deep", {"workflow": {"n": 5}}),
        ("9223372036854775807 + n", {"n": 5}),
        ("1.0 / 0.0 * x", {"x": 2.5}),
        ('timestamp("2026-01-01T00:00:00Z")', {}),
    ],
)
def test_an_error_names_the_source_and_the_values_that_it_saw(source, values):
    with pytest.raises(ExpressionError) as raised:
        compile_cel(source, {}).evaluate(VARIABLES)
    assert raised.value.source == source
    assert raised.value.values == values
    assert source in str(raised.value)


def test_a_condition_must_be_true_or_false():
    with pytest.raises(ExpressionError, match="must give true or false, this gave 5") as raised:
        compile_cel("n", {}).truth(VARIABLES)
    assert raised.value.values == {"n": 5}


def test_only_what_a_program_uses_is_read():
    program = compile_cel('n + workflow.m + size("text workflow.z")', {})
    assert program.names == {"n", "m"}
    # Broken bytes of another variable do not matter.
    assert program.evaluate({"n": b"1", "m": b"2", "other": b"{broken"}) == 18


def test_the_output_of_a_node_goes_before_a_variable_of_that_name():
    program = compile_cel("output.x", {})
    assert program.evaluate({"output": b'{"x":1}'}, {"output": {"x": 2}}) == 2


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("", "must not be empty"),
        ("  ", "must not be empty"),
        ("n >", "Syntax error"),
        ("n" * 5_000, "at most 4096 bytes"),
        ("a.all(x, x.all(y, y.all(z, z > 0)))", "at most 2 comprehensions"),
        ("a.all // c\n(x, x.all // c\n(y, y.all // c\n(z, z > 0)))", "at most 2 comprehensions"),
        (r'r"\" == s && a.all(x, x.all(y, y.all(z, z == "")))', "at most 2 comprehensions"),
    ],
)
def test_a_source_that_is_no_expression_is_refused(source, word):
    with pytest.raises(CompileError) as raised:
        compile_cel(source, {})
    assert word.lower() in str(raised.value).lower()


@pytest.mark.parametrize(
    "source",
    [
        "2 * 1.5",
        "1.5 * 2",
        "price * 2 > 10.0",
        "workflow.price / 2",
        "2 - price",
        "count + 1.5",
        "price % count",
        "items.all(n, n > 1) && price*2 > 1.0",
    ],
)
def test_an_integer_mixed_with_a_decimal_number_is_warned_of_and_is_a_type_error(source):
    declared = {"price": "number", "count": "integer"}
    (text,) = mixed_arithmetic(source, declared)
    assert "mixes an integer with a decimal number" in text
    values = {"price": b"3", "count": b"2", "items": b"[2]"}
    with pytest.raises(ExpressionError):
        compile_cel(source, declared).evaluate(values)


@pytest.mark.parametrize(
    "source",
    [
        "n + 1.5",
        "x * 2.0",
        '"2 * 1.5"',
        "price * 2.0 > 10",
        "double(count) * 1.5",
        "count * 2 > 3",
        "price.count * 2",
        "prices[count] * 1.5",
        "rates.map(count, count * 1.5)",
        "price > 2 && count < 3",
        "size(items) * 2",
    ],
)
def test_what_is_not_mixed_or_not_known_is_not_warned_of(source):
    assert mixed_arithmetic(source, {"price": "number", "count": "integer"}) == []


# Values of mappings.


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (7, 7),
        ("plain", "plain"),
        ("", ""),
        ("${n}", 5),
        ("n is ${n}", "n is 5"),
        ("${name} has ${items}", "Ann has [1,2,3]"),
        ("$${n}", "${n}"),
        ("costs $5", "costs $5"),
        ({"a": ["${n}", {"b": "${yes}"}], "c": None}, {"a": [5, {"b": True}], "c": None}),
        ('${ {"k": n} }', {"k": 5}),
        ('${ "}" + name }', "}Ann"),
    ],
)
def test_mappings_are_literals_expressions_or_text_with_both(source, value):
    compiled = compile_value(Expression(source), {})
    assert compiled.evaluate(VARIABLES) == value
    assert parse(compiled.json(VARIABLES)) == value


def test_a_literal_is_known_as_one():
    assert compile_value(Expression({"a": [1, "x"]}), {}).is_literal
    assert not compile_value(Expression({"a": "${n}"}), {}).is_literal


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.text(max_size=5)
    # No infinity is written, so that none is a variable.
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(a=JSON, b=JSON)
def test_references_are_copied_as_they_would_be_evaluated(a, b):
    variables = {"a": canonical(a), "b": canonical(b)}
    source = {"z": "${b}", "a": "${ workflow.a }", "é": "${a}"}
    for declared in ({}, {"a": "number"}):
        value = compile_value(Expression(source), declared)
        assert value.json(variables) == canonical(value.evaluate(variables))


def test_an_object_of_references_says_which_variable_is_missing():
    value = compile_value(Expression({"x": "${n}", "y": "${gone}"}), {})
    with pytest.raises(ExpressionError) as caught:
        value.json(VARIABLES)
    assert caught.value.source == "gone"


@pytest.mark.parametrize("source", ["${n", "a ${ '}", {"k": ["${"]}])
def test_an_expression_that_is_never_closed_is_refused(source):
    with pytest.raises(CompileError, match="never closed"):
        compile_value(Expression(source), {})


def test_text_is_split_into_pieces():
    assert pieces_of("a${b}c") == [(False, "a"), (True, "b"), (False, "c")]


# Durations and dates.


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("PT5M", 300_000),
        ("PT0.5S", 500),
        ("P1DT12H", 129_600_000),
        ("P2W", 1_209_600_000),
        (" PT1S ", 1_000),
        (0, 0),
        (1.5, 1_500),
        (60, 60_000),
    ],
)
def test_durations(text, milliseconds):
    assert duration_ms(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    [
        *["", "P", "PT", "5 minutes", "-PT5M", "P1Y", "PT5", -1, True, None],
        *[float("nan"), float("inf"), 10**30, "PT" + "9" * 400 + "S", f"PT{DURATION_MS_MAX}S"],
    ],
)
def test_what_is_no_duration(text):
    with pytest.raises(ValueError):
        duration_ms(text)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-05-01T08:00:00+02:00", 1_777_615_200_000),
        ("2026-05-01T06:00:00.001Z", 1_777_615_200_001),
        ("2026-05-01 06:00:00Z", 1_777_615_200_000),
    ],
)
def test_dates(text, milliseconds):
    assert date_ms(text) == milliseconds


def test_no_date_loses_a_millisecond():
    for fraction in range(1_000):
        assert date_ms(f"2026-05-01T06:00:00.{fraction:03}Z") == 1_777_615_200_000 + fraction


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-05-01T08:00:00", "2026-05-01", 5, None])
def test_what_is_no_date(text):
    with pytest.raises(ValueError, match=r"ISO 8601|offset"):
        date_ms(text)
