"""What the wheel holds, and that nobody else holds our names.

The five import names are ordinary words that other distributions use too: one of those,
installed beside us, would overwrite our modules without a word.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from schemas.__main__ import schema_files

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("connectors", "projections", "schemas", "streams", "topics")


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory):
    """The file names in a wheel built from this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet"]
    if importlib.util.find_spec("hatchling"):
        command.append("--no-build-isolation")  # No index is asked for anything.
    command += ["--wheel-dir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, f"the wheel cannot be built:\n{done.stdout}{done.stderr}"
    (wheel,) = folder.glob("tidemill-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return sorted(archive.namelist())


def in_the_tree():
    """Return what belongs into the wheel: all of the rooms but what is written beside it."""
    return {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and not {"docs", "__pycache__"} & set(path.relative_to(ROOT).parts)
    }


@pytest.mark.parametrize("room", ROOMS)
def test_the_name_of_a_room_belongs_to_our_distribution_only(room):
    owners = set(packages_distributions().get(room, ()))
    strangers = owners - {"tidemill"}
    assert not strangers, (
        f"{', '.join(sorted(strangers))} ships a package `{room}` too and would overwrite ours: "
        "uninstall it, or find what depends on it"
    )


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_imported_from_this_tree(room):
    spec = importlib.util.find_spec(room)
    assert spec is not None
    assert spec.origin == str(ROOT / room / "__init__.py")


def test_the_wheel_holds_every_module_and_data_file_of_the_rooms(wheel_names):
    assert in_the_tree() - set(wheel_names) == set()


def test_the_wheel_holds_the_schema_of_every_message(wheel_names):
    assert {f"schemas/avro/{name}" for name in schema_files()} <= set(wheel_names)


def test_the_wheel_holds_nothing_but_the_rooms(wheel_names):
    roots = {name.split("/", 1)[0] for name in wheel_names}
    assert {root for root in roots if not root.endswith(".dist-info")} == set(ROOMS)


def test_the_wheel_holds_no_tests_and_no_decision_records(wheel_names):
    unwanted = re.compile(r"(^|/)(tests|docs|__pycache__)/|(^|/)(test_[^/]*|conftest)\.py$")
    assert [name for name in wheel_names if unwanted.search(name)] == []


def test_the_wheel_brings_the_command(wheel_names):
    assert any(name.endswith(".dist-info/entry_points.txt") for name in wheel_names)
