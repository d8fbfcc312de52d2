"""Style, held by the build: each failure names file and line and says what to do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("connectors", "projections", "schemas", "streams", "topics")
FOLDERS = (*ROOMS, "tests", "benchmarks", "examples", "helm", ".ci")
TEXT_SUFFIXES = frozenset({"", ".py", ".md", ".toml", ".yaml", ".yml", ".sh", ".avsc", ".conf"})
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
LONG_FUNCTION_LINES = 15
LONG_FUNCTION_SHARE_MAX = 0.18
"""The ratchet: it only ever goes down. The share was 0.175 when it was set."""
RATCHET_SLACK = 0.02

DOMAIN_BANNED_CALLS = {
    "datetime.now": "use the record's time (`ctx.now`)",
    "datetime.utcnow": "use the record's time (`ctx.now`)",
    "datetime.today": "use the record's time (`ctx.now`)",
    "date.today": "use the record's time (`ctx.now`)",
    "time.time": "use the record's time (`ctx.now`)",
    "time.time_ns": "use the record's time (`ctx.now`)",
    "time.monotonic": "the core measures nothing",
    "time.sleep": "the core waits by a timer in its state",
    "uuid.uuid4": "derive ids from (aggregate, sequence): schemas/ids.py",
}
DOMAIN_BANNED_MODULES = {"time", "random", "secrets", "uuid"}
MACHINE_PATH = re.compile(r"(?<![\w.~/$}-])/(?:work|home|root|Users|mnt|tmp/[a-z]+)/[\w.]")
REGISTRY_HOST = re.compile(
    r"\b(?:pypi\.org|files\.pythonhosted\.org|repo1?\.maven\.(?:org|apache\.org)"
    r"|docker\.io|ghcr\.io|quay\.io|gcr\.io|registry\.npmjs\.org|registry-1\.[\w.]+"
    r"|(?:artifactory|nexus|harbor|verdaccio)[\w-]*\.[\w.-]+|proxy\.golang\.org)"
)


class Finding(NamedTuple):
    """What is wrong, where, and what to do about it."""

    path: str
    line: int
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.advice}"


class Source(NamedTuple):
    """One Python file."""

    path: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.path.split("/", 1)[0]


def source_of(path: str, text: str) -> Source:
    return Source(path, text, ast.parse(text, path))


def files_below(folder: str) -> Iterator[Path]:
    for path in sorted((ROOT / folder).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def sources(folders: tuple[str, ...]) -> list[Source]:
    return [
        source_of(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for folder in folders
        for path in files_below(folder)
        if path.suffix == ".py"
    ]


@pytest.fixture(scope="module")
def code() -> list[Source]:
    return sources(ROOMS)


@pytest.fixture(scope="module")
def all_python() -> list[Source]:
    return sources((*ROOMS, "tests", "benchmarks"))


def check(findings: Iterator[Finding] | list[Finding]) -> None:
    found = [str(finding) for finding in findings]
    if found:
        pytest.fail(f"{len(found)} to put right:\n" + "\n".join(found), pytrace=False)


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(source: Source) -> Iterator[Function]:
    for node in ast.walk(source.tree):
        if isinstance(node, Function):
            yield node


def lines_of(node: Function) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` for an attribute chain, as far as it is one."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".lstrip(".")
    return ""


def imports(source: Source) -> Iterator[tuple[int, str, int]]:
    """Yield (line, module, level) of every import."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or "", node.level


# The rules. Each takes one file.


def long_file(source: Source) -> Iterator[Finding]:
    count = len(source.text.splitlines())
    if count > FILE_LINES_MAX:
        yield Finding(
            source.path,
            FILE_LINES_MAX + 1,
            f"{count} lines, at most {FILE_LINES_MAX}: move one subject to a file of its own",
        )


def long_function(source: Source) -> Iterator[Finding]:
    for node in functions(source):
        if lines_of(node) > FUNCTION_LINES_MAX:
            advice = f"`{node.name}` has {lines_of(node)} lines, at most {FUNCTION_LINES_MAX}"
            yield Finding(source.path, node.lineno, f"{advice}: give its steps names")


def clock_in_the_core(source: Source) -> Iterator[Finding]:
    if not source.path.startswith("streams/domain/"):
        return
    for line, module, _ in imports(source):
        if module.split(".")[0] in DOMAIN_BANNED_MODULES:
            yield Finding(source.path, line, f"the core does not import {module}: it is pure")
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Attribute):
            continue
        name = ".".join(dotted(node).split(".")[-2:])
        if name in DOMAIN_BANNED_CALLS:
            advice = f"no {name} in the core: {DOMAIN_BANNED_CALLS[name]}"
            yield Finding(source.path, node.lineno, advice)


def missing_docstring(source: Source) -> Iterator[Finding]:
    if not ast.get_docstring(source.tree):
        yield Finding(source.path, 1, "say in a docstring what the module is for")
    yield from _undocumented(source, source.tree)


def _undocumented(source: Source, parent: ast.Module | ast.ClassDef) -> Iterator[Finding]:
    for node in parent.body:
        if not isinstance(node, ast.ClassDef | Function) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node) and not _overloads(node):
            advice = f"say in a docstring what `{node.name}` does, or name it with `_`"
            yield Finding(source.path, node.lineno, advice)
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(source, node)


def _overloads(node: ast.ClassDef | Function) -> bool:
    marks = {dotted(mark).split(".")[-1] for mark in node.decorator_list}
    return bool(marks & {"overload", "override", "setter", "deleter"})


def printing(source: Source) -> Iterator[Finding]:
    if source.path.startswith("connectors/cli/"):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and dotted(node.func) == "print":
            advice = "no print outside connectors/cli: log with structlog, or return the text"
            yield Finding(source.path, node.lineno, advice)


def logic_in_init(source: Source) -> Iterator[Finding]:
    if not source.path.endswith("/__init__.py"):
        return
    for node in source.tree.body:
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        names = isinstance(node, ast.Assign) and [dotted(t) for t in node.targets] == ["__all__"]
        if not (text or names or isinstance(node, ast.Import | ast.ImportFrom)):
            advice = "only a docstring, imports and __all__ stand in __init__.py: move it"
            yield Finding(source.path, node.lineno, advice)


def relative_import(source: Source) -> Iterator[Finding]:
    for line, module, level in imports(source):
        if level:
            dots = "." * level
            advice = f"`from {dots}{module}`: name the module from its room, `from streams.app`"
            yield Finding(source.path, line, advice)


EVERYWHERE = (long_file, long_function, relative_import)
IN_THE_ROOMS = (clock_in_the_core, missing_docstring, printing, logic_in_init)


@pytest.mark.parametrize("rule", EVERYWHERE)
def test_every_python_file_keeps_the_rule(rule, all_python):
    check(finding for source in all_python for finding in rule(source))


@pytest.mark.parametrize("rule", IN_THE_ROOMS)
def test_every_module_of_the_rooms_keeps_the_rule(rule, code):
    check(finding for source in code for finding in rule(source))


def test_the_share_of_long_functions_only_goes_down(code, record_property):
    found = [(lines_of(node), s.path, node) for s in code for node in functions(s)]
    long = sorted(((n, p, f) for n, p, f in found if n > LONG_FUNCTION_LINES), key=lambda x: -x[0])
    share = len(long) / len(found)
    report = f"{len(long)} of {len(found)} functions ({share:.1%}) exceed {LONG_FUNCTION_LINES}"
    record_property("long_functions", report)
    print(report)
    if share > LONG_FUNCTION_SHARE_MAX:
        worst = [Finding(p, f.lineno, f"`{f.name}`, {n} lines") for n, p, f in long[:20]]
        advice = f"{report} lines, at most {LONG_FUNCTION_SHARE_MAX:.1%}: split some of\n"
        pytest.fail(advice + "\n".join(map(str, worst)), pytrace=False)
    assert share > LONG_FUNCTION_SHARE_MAX - RATCHET_SLACK, (
        f"{report} lines: well done; set LONG_FUNCTION_SHARE_MAX to {share + 0.005:.3f}"
    )


def text_findings(path: str, text: str) -> Iterator[Finding]:
    for number, line in enumerate(text.splitlines(), 1):
        if found := MACHINE_PATH.search(line):
            yield Finding(
                path, number, f"a path of one machine ({found[0]}…): take it from outside"
            )
        if found := REGISTRY_HOST.search(line):
            yield Finding(path, number, f"a registry's host ({found[0]}): leave it to the client")


def test_no_file_names_a_path_of_one_machine_or_a_registry():
    top = [path for path in ROOT.iterdir() if path.is_file() and not path.name.startswith(".")]
    paths = [*top, *(path for folder in FOLDERS for path in files_below(folder))]
    check(
        finding
        for path in paths
        if path.suffix in TEXT_SUFFIXES and path != Path(__file__).resolve()
        for finding in text_findings(
            path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8", errors="replace")
        )
    )


def test_the_tests_are_no_package():
    packages = (ROOT / "tests").rglob("__init__.py")
    advice = "remove it: tests are no package, helpers live in streams/testing or conftest.py"
    check(Finding(path.relative_to(ROOT).as_posix(), 1, advice) for path in packages)


def test_every_room_is_typed():
    missing = [room for room in ROOMS if not (ROOT / room / "py.typed").is_file()]
    check(Finding(f"{room}/py.typed", 1, "create the empty file") for room in missing)


def test_every_folder_of_code_is_a_package(code):
    folders = {str(Path(source.path).parent) for source in code}
    missing = sorted(f for f in folders if not (ROOT / f / "__init__.py").is_file())
    check(Finding(f"{f}/__init__.py", 1, "create it, with a docstring") for f in missing)


# The rules themselves, each against a file that breaks it.

BAD_FUNCTION = "def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX
BROKEN = [
    (long_file, "topics/a.py", "x = 1\n" * (FILE_LINES_MAX + 1), FILE_LINES_MAX + 1),
    (long_function, "topics/a.py", BAD_FUNCTION, 1),
    (clock_in_the_core, "streams/domain/a.py", "x = 1\ny = datetime.datetime.now()", 2),
    (clock_in_the_core, "streams/domain/a.py", "def f(t=time.time): ...", 1),
    (clock_in_the_core, "streams/domain/a.py", "from time import time", 1),
    (missing_docstring, "topics/a.py", "x = 1", 1),
    (missing_docstring, "topics/a.py", '"""A."""\ndef f(): ...', 2),
    (missing_docstring, "topics/a.py", '"""A."""\nclass A:\n "B."\n def f(self): ...', 4),
    (printing, "streams/a.py", "x = 1\nprint(x)", 2),
    (logic_in_init, "topics/__init__.py", '"""A."""\nimport b\nc = b.d()', 3),
    (relative_import, "topics/a.py", "from . import b", 1),
]


@pytest.mark.parametrize(("rule", "path", "text", "line"), BROKEN)
def test_a_broken_rule_is_found_with_its_line(rule, path, text, line):
    assert [(f.path, f.line) for f in rule(source_of(path, text))] == [(path, line)]


@pytest.mark.parametrize(
    "line",
    ["see /" + "home/me/x", "x='/" + "root/.m2'", "pip install -i https://pypi" + ".org/simple"],
)
def test_a_path_of_one_machine_and_a_registry_are_found(line):
    assert [f.line for f in text_findings("a.md", "fine\n" + line)] == [2]


@pytest.mark.parametrize("line", ["GET /api/home/x", "a/work/b", "SCHEMA_REGISTRY_URL=http://r:1"])
def test_ordinary_text_is_left_alone(line):
    assert list(text_findings("a.md", line)) == []
