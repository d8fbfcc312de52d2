"""Every module can be imported alone and first, does nothing by it, and exports what it says."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("connectors", "projections", "schemas", "streams", "topics")
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))

_IMPORT_ALL = """
import importlib, socket, sys, threading

def refuse(*_arguments):
    raise AssertionError("a connection on import")

socket.socket.connect = refuse
for name in sys.argv[1:]:
    importlib.import_module(name)
    more = [thread.name for thread in threading.enumerate()][1:]
    assert not more, f"{name} starts threads on import: {more}"
"""


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = [module_of(path) for path in FILES]


def test_importing_everything_connects_to_nothing_and_starts_nothing():
    command = [sys.executable, "-c", _IMPORT_ALL, *MODULES]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "", "an import prints"


def test_the_published_language_and_the_map_of_kafka_stand_alone():
    for room in ("schemas", "topics"):
        own = [name for name in MODULES if name.split(".")[0] == room]
        code = "import importlib, sys\nfor n in sys.argv[1:]: importlib.import_module(n)\n"
        code += "print(*sorted({n.split('.')[0] for n in sys.modules}))"
        done = subprocess.run(
            [sys.executable, "-c", code, *own],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        loaded = set(done.stdout.split()) & set(ROOMS)
        assert loaded <= {"schemas", "topics"}, f"{room} loads {loaded}"
        assert room == "topics" or loaded == {"schemas"}


@pytest.mark.parametrize("path", [p for p in FILES if "__all__" in p.read_text()], ids=str)
def test_what_a_package_exports_exists_once_and_in_order(path):
    module = import_module(module_of(path))
    names = list(module.__all__)
    assert names == sorted(set(names)), f"{path}: sort __all__, each name once"
    assert [name for name in names if not hasattr(module, name)] == []
    imported = {
        alias.asname or alias.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ImportFrom) and path.name == "__init__.py"
        for alias in node.names
        if node.module != "__future__"
    }
    assert imported <= set(names), f"{path}: imported, not exported: {imported - set(names)}"
