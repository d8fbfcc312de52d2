"""READMEs and decision records say what is so: commands, links, names, make targets.

A shell command in a README is either run here, in a copy of the tree, or it stands in a table
that names the file that runs it.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

from streams.forms import read_definition

ROOT = Path(__file__).resolve().parent.parent
CODE = ("connectors", "projections", "schemas", "streams", "topics")
README_LINES_MAX = 40
SHELLS = frozenset({"sh", "bash", "shell", "console"})

RUN_HERE = {
    "python -m schemas write",
    "python -m topics.kafka_jars",
    "python -m topics.embedded --data-dir .tidemill/kafka start",
    "python -m topics.embedded --data-dir .tidemill/kafka status",
    "python -m topics.embedded --data-dir .tidemill/kafka stop",
}
"""Cheap enough for this test: each README's, in order, must succeed."""

RUN_HERE_SLOWLY = (
    "python benchmarks/bridge.py --count 50000",
    "python benchmarks/projection.py --events 100000",
    "python benchmarks/soundness.py",
    "python benchmarks/shard.py --rounds 15",
    "python benchmarks/devices.py --count 20000",
    "python benchmarks/iterations.py --items 2000",
)

RUN_ELSEWHERE = {
    "make test": (".ci/run", "make test"),
    "make demo": ("tests/integration/test_demo.py", '"demo"'),
    "tidemill definition validate examples/order.yaml": (
        "tests/connectors/test_definition_commands.py",
        '"validate", "examples/order.yaml"',
    ),
    "tidemill lock run site --wait 60 -- make deploy": (
        "tests/integration/test_locks.py",
        '"lock", "run", "site", "--wait", "60", "--", "make"',
    ),
    "tidemill project": ("tests/projections/test_projector.py", '"project"'),
    "tidemill projection list": ("tests/projections/test_projector.py", '"projection", "list"'),
    "tidemill projection lag": ("tests/projections/test_projector.py", '"projection", "lag"'),
    "tidemill projection rebuild": (
        "tests/projections/test_projector.py",
        '"projection", "rebuild"',
    ),
}
"""By command: the file that runs it, and what in that file does."""


class Block(NamedTuple):
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def _visible(path: Path) -> bool:
    return not any(part.startswith(".") for part in path.relative_to(ROOT).parts)


READMES = sorted(path for path in ROOT.rglob("README.md") if _visible(path))
PAGES = [*READMES, *sorted(p for p in ROOT.glob("**/docs/adr/*.md") if _visible(p))]


def rooms() -> Iterator[Path]:
    """Yield every folder that must say what it is for."""
    yield from (ROOT / name for name in (*CODE, "tests", "benchmarks", "examples", "helm"))
    for parent in ("streams", "connectors"):
        for folder in sorted((ROOT / parent).iterdir()):
            if any(path.name != "__init__.py" for path in folder.glob("**/*.py")):
                yield folder


def blocks(page: Path) -> list[Block]:
    found, fence, start, lines = [], "", 0, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if not line.lstrip().startswith("```"):
            lines.append(line)
        elif fence:
            found.append(Block(page, start, fence, "\n".join(lines)))
            fence = ""
        else:
            fence, start, lines = line.strip().removeprefix("```") or "none", number + 1, []
    assert not fence, f"{page.relative_to(ROOT)}:{start}: the block is not closed"
    return found


ALL_BLOCKS = [block for page in PAGES for block in blocks(page)]


def commands(block: Block) -> list[tuple[int, str]]:
    """Return (line, command); comments, prompts and shown output are left out."""
    found: list[tuple[int, str]] = []
    for number, line in enumerate(block.text.replace("\\\n", "\0").splitlines(), block.line):
        text = line.replace("\0", " ")
        if block.language == "console":
            if not text.startswith("$ "):
                continue
            text = text[2:]
        text = re.sub(r"(^|\s)#\s.*", "", text)
        if words := " ".join(text.split()):
            found.append((number, words))
    return found


def shell_commands(page: Path) -> list[tuple[int, str]]:
    return [c for b in ALL_BLOCKS if b.page == page and b.language in SHELLS for c in commands(b)]


def prose(page: Path) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines outside of fenced blocks."""
    inside = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            inside = not inside
        elif not inside:
            yield number, line


def fail_with(found: Iterable[str]) -> None:
    if text := "\n".join(found):
        pytest.fail(text, pytrace=False)


@pytest.mark.parametrize("room", [str(room.relative_to(ROOT)) for room in rooms()])
def test_every_room_says_what_it_is_for(room):
    page = ROOT / room / "README.md"
    advice = f"{room}/README.md: write what the room is for and what may not enter it"
    assert page.is_file(), advice
    lines = len(page.read_text(encoding="utf-8").splitlines())
    assert lines <= README_LINES_MAX, f"{room}/README.md: {lines} lines, at most 40: shorten it"


def test_every_shell_command_is_run_by_a_test():
    fail_with(
        f"{page.relative_to(ROOT)}:{line}: no test runs `{command}`: name it in RUN_HERE, "
        "RUN_HERE_SLOWLY or RUN_ELSEWHERE of tests/test_docs.py"
        for page in READMES
        for line, command in shell_commands(page)
        if command not in {*RUN_HERE, *RUN_HERE_SLOWLY, *RUN_ELSEWHERE}
    )


def test_no_command_hides_in_a_block_without_a_language():
    words = re.compile(
        r"^\s*(\$ |(make|python3?|pip|tidemill|docker|helm|kubectl|curl) )", re.MULTILINE
    )
    fail_with(
        f"{block.place}: commands stand in a ```sh block"
        for block in ALL_BLOCKS
        if block.language in {"none", "text"} and words.search(block.text)
    )


@pytest.mark.parametrize("command", RUN_ELSEWHERE)
def test_a_command_that_is_run_elsewhere_is_run_there(command):
    path, mark = RUN_ELSEWHERE[command]
    file = ROOT / path
    assert file.is_file(), f"{path} should run `{command}`, and does not exist"
    assert mark in file.read_text(encoding="utf-8"), f"{path} does not run `{command}`"


def runnable() -> list[Path]:
    return [page for page in READMES if any(c in RUN_HERE for _, c in shell_commands(page))]


@pytest.mark.kafka
@pytest.mark.parametrize("page", runnable(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_cheap_commands_of_a_page_succeed_in_their_order(page, tmp_path):
    copy_tree(tmp_path)
    todo = [command for _, command in shell_commands(page) if command in RUN_HERE]
    try:
        for command in todo:
            done = run(command, tmp_path)
            said = f"{done.stdout}{done.stderr}"
            assert done.returncode == 0, f"`{command}` ended with {done.returncode}:\n{said}"
    finally:
        if (tmp_path / ".tidemill" / "kafka").exists():  # Nothing stays behind a failure.
            run("python -m topics.embedded --data-dir .tidemill/kafka stop", tmp_path)
    written = {path.name: path.read_text() for path in (tmp_path / "schemas/avro").iterdir()}
    kept = {path.name: path.read_text() for path in (ROOT / "schemas/avro").iterdir()}
    assert written == kept, "schemas/avro is not what the classes say: python -m schemas write"


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.parametrize("command", RUN_HERE_SLOWLY)
def test_a_slow_command_succeeds(command, tmp_path):
    copy_tree(tmp_path)
    done = run(command, tmp_path, seconds=600)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


def copy_tree(folder: Path) -> None:
    """Copy what commands need, so that they change nothing here."""
    for room in (*CODE, "benchmarks", "examples"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / room, folder / room, ignore=ignored)


def run(command: str, folder: Path, seconds: float = 90) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    assert words[0] == "python"
    return subprocess.run(
        [sys.executable, *words[1:]],
        cwd=folder,
        # A script's folder comes before the copy, and the installed tree after it.
        env=os.environ | {"PYTHONPATH": str(folder), "TIDEMILL_DATA_DIR": str(folder / "data")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def test_every_make_target_that_is_named_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w.-]+):(?!=)", makefile, re.MULTILINE))
    fail_with(
        f"{page.relative_to(ROOT)}: the Makefile has no target `{name}`"
        for page in PAGES
        for name in re.findall(
            r"(?:`|^|\$ )make ([\w-]+)", page.read_text(encoding="utf-8"), re.MULTILINE
        )
        if name not in targets
    )


def test_every_relative_link_leads_somewhere():
    link = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
    fail_with(
        f"{page.relative_to(ROOT)}:{number}: {target} does not exist"
        for page in PAGES
        for number, line in prose(page)
        for target in link.findall(line)
        if "://" not in target and not (page.parent / target).exists()
    )


def test_every_file_that_is_named_exists():
    named = re.compile(r"`([\w./-]+\.(?:py|ya?ml|md|avsc|toml))`")
    fail_with(
        f"{page.relative_to(ROOT)}:{number}: there is no file {name}"
        for page in PAGES
        for number, line in prose(page)
        for name in named.findall(line)
        if not _exists(page, name)
    )


def _exists(page: Path, name: str) -> bool:
    room = page.parents[2] if page.parent.name == "adr" else page.parent
    return (room / name).exists() or (ROOT / name).exists() or any(room.glob(f"**/{name}"))


def _blocks_of(language: str) -> list[pytest.param]:
    return [pytest.param(b, id=b.place) for b in ALL_BLOCKS if b.language == language]


@pytest.mark.parametrize("block", _blocks_of("python"))
def test_python_in_a_page_compiles_and_its_imports_exist(block):
    for node in ast.walk(ast.parse(block.text, block.place)):
        if isinstance(node, ast.ImportFrom):
            module = import_module(str(node.module))
            missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
            assert not missing, f"{block.place}: {node.module} has no {missing}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                import_module(alias.name)


@pytest.mark.parametrize("block", _blocks_of("python"))
def test_python_in_a_page_runs_where_it_needs_no_server(block, monkeypatch):
    if "Settings(" in block.text:
        return  # Its imports were looked at above; what it does needs a running Tidemill.
    monkeypatch.chdir(ROOT)
    exec(compile(block.text, block.place, "exec"), {})


@pytest.mark.parametrize("block", _blocks_of("yaml"))
def test_a_definition_in_a_page_can_be_published(block):
    if re.search(r"^nodes:", block.text, re.MULTILINE):
        result = read_definition(block.text, block.place)
        assert not isinstance(result, list), "\n".join(map(str, result))


def test_a_decision_is_numbered_and_says_context_decision_and_consequence():
    for page in PAGES:
        if page.parent.name != "adr":
            continue
        text, number = page.read_text(encoding="utf-8"), page.name[:4]
        place = page.relative_to(ROOT)
        assert text.startswith(f"# {number}: "), f"{place}:1: begin with `# {number}: title`"
        heads = re.findall(r"^## (.*)", text, re.MULTILINE)
        assert heads == ["Context", "Decision", "Consequence"], f"{place}: has heads {heads}"


def test_commands_are_read_without_prompts_comments_and_output():
    page = ROOT / "README.md"
    shell = Block(page, 1, "sh", "# first\nmake test  # all\n\npython -m a \\\n  --b c#d")
    assert [c for _, c in commands(shell)] == ["make test", "python -m a --b c#d"]
    console = Block(page, 1, "console", "$ make demo\nstarting\n$ make test")
    assert commands(console) == [(1, "make demo"), (3, "make test")]
