"""The command line loads what its first word needs, and is the same as if it had loaded all."""

import json
import subprocess
import sys

import pytest

from connectors.cli.main import ROOMS

SHOW = """
import json, sys
from typer.main import get_command
from connectors.cli.main import app_of

def tree(command):
    below = getattr(command, "commands", None)
    if below is None:
        return [[one.name, *one.opts] for one in command.params]
    return {name: tree(one) for name, one in below.items()}

shown = {" ".join(words): tree(get_command(app_of(words))) for words in json.loads(sys.argv[1])}
print(json.dumps([shown, sorted({name.split(".")[0] for name in sys.modules})]))
"""


def look(*lines):
    """By line: the commands, those below them and their parameters; and what was loaded."""
    words = json.dumps([line.split() for line in lines])
    done = subprocess.run(
        [sys.executable, "-c", SHOW, words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def whole():
    [shown, _] = look("", "--help", "unheard-of")
    assert shown["--help"] == shown["unheard-of"] == shown[""], "not all is shown where it should"
    return shown[""]


def test_every_command_is_in_the_table(whole):
    assert sorted(whole) == sorted(ROOMS), "name it in ROOMS of connectors/cli/main.py"


def test_a_command_is_the_same_with_and_without_the_others(whole):
    # Those without the views first: the views add to nouns that are loaded later, too.
    [shown, _] = look(*sorted(ROOMS, key=lambda word: "projection" in ROOMS[word]))
    for word in ROOMS:
        assert shown[word][word] == whole[word], f"{word} needs other files than ROOMS names"


def test_who_only_waits_for_work_loads_neither_engine_nor_database():
    [_, loaded] = look("worker x", "bridge", "verify")
    assert not {"faust", "sqlalchemy", "alembic"} & set(loaded)
