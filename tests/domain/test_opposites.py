"""Which pairs of conditions are known to be each other's negation."""

import pytest

from streams.domain.net.opposites import are_opposite


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a < b", "a >= b"),
        ("workflow.a < workflow.b", "b <= a"),
        ("x == 'a b'", "x != 'a b'"),
        ("a + 1 > 2", "a+1 <= 2"),
        ("a == b", "b != a"),
        ("x", "!x"),
        ("workflow.done", "!done"),
        ("a.x", "!a.x"),
        ("(a < b)", "!(a < b)"),
        ("a && b", "!(a && b)"),
    ],
)
def test_exactly_one_of_these_is_true(one, other):
    assert are_opposite(one, other)
    assert are_opposite(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a < b", "a > b"),
        ("a < b", "b > a"),
        ("a && b", "!a && b"),
        ("(a) && (b)", "!(a) && (b)"),
        ("a", "!a || b"),
        ("a", "!b"),
        ("x == 'a b'", "x != 'ab'"),
        ("x == ')'", "!(x == ')')"),
        ("f(a) < 1", "f(a) >= 1"),
        ("a", "a"),
        ("", "!"),
    ],
)
def test_of_these_nothing_is_known(one, other):
    assert not are_opposite(one, other)
    assert not are_opposite(other, one)
