"""The error catalogue: complete, and the only source of codes in the whole code base."""

import ast
import re
from pathlib import Path

import pytest

from schemas.errors import CATALOGUE, CAUSES_MAX, CODES, KINDS, cause_chain, kind_of

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("connectors", "projections", "schemas", "streams", "topics")
OF_THE_SEED = re.findall(
    r"\w+",
    """
ActivityExecution Persistence State Timeout NotFound Authorization Configuration ExternalSystem
InvalidDefinition InvalidVersion MigrationPathMissing IncompatibleWorkflows InvalidState
InvalidStateTransition MissingParameter UnsupportedOperation UnsupportedQuery InvalidInput
DataTransformation Serialization ConnectionError CommunicationError LockAcquisition LockExtension
AuthenticationFailed InvalidToken ExpiredToken Unauthorized InvalidCredentials InternalError
""",
)


def trees():
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if "testing" in path.parts:
                continue  # Its workers fail with an author's own code.
            yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def code_places(tree):
    """Where the functions and classes of a module take a `code`: (name, place) pairs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [a.arg for a in node.args.args if a.arg != "self"]
            if "code" in names and node.name != "__init__":
                yield node.name, names.index("code")
        elif isinstance(node, ast.ClassDef):
            fields = [f.target.id for f in node.body if isinstance(f, ast.AnnAssign)]
            for function in node.body:
                if isinstance(function, ast.FunctionDef) and function.name == "__init__":
                    fields = [argument.arg for argument in function.args.args][1:]
            if "code" in fields:
                yield node.name, fields.index("code")


def texts(node):
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and n.value}


def used_codes(tree, places):
    """Every literal that a module hands over as a code: (line, code) pairs."""
    for node in ast.walk(tree):
        found = []
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            place = places.get(name)
            if place is not None and place < len(node.args):
                found.append(node.args[place])
            found += [word.value for word in node.keywords if word.arg == "code" and place]
        elif isinstance(node, ast.Assign):
            names = [getattr(t, "id", getattr(t, "attr", "")) for t in node.targets]
            found += [node.value] if "code" in names else []
        for value in found:
            if isinstance(value, ast.Constant | ast.IfExp):
                yield from ((node.lineno, text) for text in texts(value) if isinstance(text, str))


def test_every_code_that_is_used_is_in_the_catalogue():
    parsed = list(trees())
    places = {name: place for _, tree in parsed for name, place in code_places(tree)}
    assert {"Rejected", "FailCall", "ErrorOccurred", "ActivityError", "incident"} <= set(places)
    used = [(path, *use) for path, tree in parsed for use in used_codes(tree, places)]
    assert {"already_closed", "Timeout", "no_true_branch"} <= {code for _, _, code in used}
    unknown = [f"{path}:{line}: {code}" for path, line, code in used if code not in CODES]
    assert unknown == [], "put it into schemas/errors.py, or use a code that is there"


def test_a_code_that_is_in_no_catalogue_is_found():
    tree = ast.parse("def f(x, code): ...\nf(1, 'new')\ncode = 'a' if x else 'b'\nf(2, code)")
    places = dict(code_places(tree))
    assert places == {"f": 1}
    assert sorted(used_codes(tree, places)) == [(2, "new"), (3, "a"), (3, "b")]


def test_the_catalogue_has_every_kind_and_every_narrower_code():
    assert set(OF_THE_SEED) <= set(CODES)
    assert OF_THE_SEED[:8] == list(KINDS)


@pytest.mark.parametrize("name", CODES)
def test_every_code_has_a_kind_a_sentence_and_a_hint(name):
    code = CODES[name]
    assert code.kind in KINDS
    assert name not in KINDS or code.kind == name
    assert code.says.endswith((".", ":"))
    assert code.hint.endswith(".")
    assert CATALOGUE[name] == f"{code.says} {code.hint}"


def test_an_authors_own_code_is_an_activitys_failure():
    assert kind_of("card_stolen") == "ActivityExecution"
    assert kind_of("LockExtension") == "State"


def test_the_chain_of_causes_is_told_outermost_first_and_bounded():
    def fail(depth):
        try:
            if not depth:
                raise OSError("x" * 900)
            fail(depth - 1)
        except Exception as error:
            raise ValueError(f"at {depth}") from error

    assert cause_chain(None) == []
    with pytest.raises(ValueError) as raised:
        fail(1)
    outer, inner = cause_chain(raised.value)
    assert outer == "ValueError: at 0"
    assert (inner[:10], len(inner)) == ("OSError: x", 500)
    with pytest.raises(ValueError) as raised:
        fail(20)
    assert len(cause_chain(raised.value)) == CAUSES_MAX
