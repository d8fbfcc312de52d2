"""Locks on a real Kafka: clients that contend, a block that keeps one, the command line."""

import asyncio
import json
import sys
import threading
import time
from pathlib import Path

import pytest

from connectors.cli.failures import guarded
from connectors.cli.main import app_of
from connectors.client.client import Client
from connectors.client.errors import CommandRejectedError, LockLostError
from streams.testing.audit import audit
from streams.testing.processes import Process, until

pytestmark = pytest.mark.kafka
ROUNDS = 8


def contend(client, counter, entered):
    """Add to a file's number, slowly, under the lock."""
    for _ in range(ROUNDS):
        held = client.acquire_lock("counter", 20, wait=20)
        number = int(counter.read_text())
        time.sleep(0.002)
        entered.append((held.token, number))
        counter.write_text(str(number + 1))
        assert client.release_lock(held.name, held.owner, held.token)


async def kept_beyond_its_time(client, other):
    async with client.hold_lock("kept", ttl=2, owner="me") as held:
        await asyncio.sleep(2.3)
        with pytest.raises(CommandRejectedError, match="LockAcquisition: 'me' has lock"):
            other.acquire_lock("kept", 5, retry_count=1)
    return other.acquire_lock("kept", 5).token > held.token


async def lost_in_the_middle(client, other):
    async with client.hold_lock("lost", ttl=1.5) as held:
        await asyncio.sleep(0.1)
        other.force_release_lock("lost", "test")
        with pytest.raises(CommandRejectedError, match="LockExtension"):
            other.extend_lock("lost", held.owner, held.token, 5)
        await asyncio.sleep(20)


async def lost_at_the_end(client, other):
    async with client.hold_lock("late", ttl=60):
        other.force_release_lock("late")


async def cancelled_while_it_waits(client, other):
    other.acquire_lock("busy", 60, "other")
    waits = asyncio.create_task(client.hold_lock("busy", owner="mine", wait=50).__aenter__())
    await asyncio.sleep(0.3)
    waits.cancel()
    await asyncio.wait({waits})
    assert waits.cancelled()
    assert other.release_lock("busy", "other")
    assert other.acquire_lock("busy", 60, "third", wait=1).owner == "third"


async def kept_while_no_engine_answers(client, engine):
    async with client.hold_lock("alone", ttl=1.5):
        engine.kill()
        await asyncio.sleep(20)


def test_clients_exclude_each_other_and_a_block_keeps_its_lock(
    engine, client, settings_of, kafka, names, tmp_path
):
    counter, entered = tmp_path / "counter", []
    counter.write_text("0")
    with Client(settings_of()) as other:
        threads = [
            threading.Thread(target=contend, args=(one, counter, entered))
            for one in (client, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [number for _, number in entered] == list(range(2 * ROUNDS))
        tokens = [token for token, _ in entered]
        assert tokens == sorted(set(tokens)), "in order of the tokens"
        assert asyncio.run(kept_beyond_its_time(client, other))
        begun = time.monotonic()
        with pytest.raises(LockLostError, match="'lost' is lost: LockExtension"):
            asyncio.run(lost_in_the_middle(client, other))
        assert time.monotonic() - begun < 5, "the block was cancelled"
        with pytest.raises(LockLostError, match="released by force"):
            asyncio.run(lost_at_the_end(client, other))
        asyncio.run(cancelled_while_it_waits(client, other))
        assert other.release_lock("kept", "nobody", 1) is False
    with pytest.raises(LockLostError, match="no engine answered while it lasted"):
        asyncio.run(kept_while_no_engine_answers(client, engine))
    assert audit(kafka, names, 4).faults == []


@pytest.fixture
def tidemill(environment, monkeypatch, capfd):
    """Run a command in this process; return exit code, standard output and error output."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def run(*words):
        capfd.readouterr()
        code = guarded(lambda: app_of(words)(list(words), standalone_mode=False))
        return code, *capfd.readouterr()

    return run


SCRIPT = """
import os, sys, time
open(sys.argv[1], "w").write(os.environ["TIDEMILL_LOCK_TOKEN"])
time.sleep(float(sys.argv[2]))
sys.exit(7)
"""


@pytest.mark.slow
def test_the_command_line_holds_a_lock_while_a_command_runs(
    engine, environment, tidemill, tmp_path, monkeypatch
):
    token = tmp_path / "token"
    (tmp_path / "Makefile").write_text(f"deploy:\n\techo $$TIDEMILL_LOCK_TOKEN > {token}\n")
    monkeypatch.chdir(tmp_path)
    code, _, errors = tidemill("lock", "run", "site", "--wait", "60", "--", "make", "deploy")
    assert (code, int(token.read_text()) > 0) == (0, True), errors
    command = ("--", sys.executable, "-c", SCRIPT, str(token))
    code, _, errors = tidemill("lock", "run", "site", *command, "0")
    assert code == 7, errors
    first = int(token.read_text())
    token.unlink()
    words = ["-m", "connectors.cli", "lock", "run", "site", "--ttl", "6", "--owner", "deploy"]
    with Process([*words, *command, "60"], environment, tmp_path / "run.log") as running:
        until(lambda: token.exists() and token.read_text() != "", 20, running.tail)
        assert int(token.read_text()) > first
        code, _, errors = tidemill("lock", "run", "site", *command, "0")
        assert (code, "LockAcquisition: 'deploy' has lock" in errors) == (4, True), errors
        code, _, errors = tidemill("lock", "release", "site", "--force", "--reason", "stuck")
        assert code == 0, errors
        assert running.wait(20) == 1, "the command was ended"
        assert "lock 'site' is lost" in running.tail()


@pytest.mark.slow
def test_the_command_line_takes_shows_and_gives_back(engine, environment, tidemill, tmp_path):
    views = Process(["-m", "connectors.cli", "project"], environment, tmp_path / "project.log")
    with views:
        code, out, errors = tidemill("lock", "acquire", "site", "--owner", "ann", "--json")
        assert code == 0, errors
        held = json.loads(out)
        assert (held["name"], held["owner"]) == ("site", "ann")
        mine = ("--owner", "ann", "--token", str(held["token"]))
        assert tidemill("lock", "extend", "site", *mine, "--ttl", "600")[0] == 0
        code, _, errors = tidemill("lock", "release", "site", "--owner", "bob")
        assert (code, "site is not held by bob" in errors) == (1, True)
        until(lambda: "ann" in tidemill("lock", "list")[1], 20, views.tail)
        shown = json.loads(tidemill("lock", "show", "site", "--json")[1])["lock"]
        assert (shown["state"], shown["owner"], shown["token"]) == ("held", "ann", held["token"])
        late = ["-m", "connectors.cli", "lock", "run", "site", "--wait", "60", "--owner", "late"]
        with Process([*late, "--", "true"], environment, tmp_path / "late.log") as waiting:
            until(lambda: "late until" in tidemill("lock", "show", "site")[1], 60, waiting.tail)
            assert waiting.stop() == 143, waiting.tail()
        until(lambda: "late until" not in tidemill("lock", "show", "site")[1], 20, views.tail)
        assert tidemill("lock", "release", "site", *mine)[0] == 0
        until(lambda: "free, released" in tidemill("lock", "show", "site")[1], 20, views.tail)
        assert "no such lock" in tidemill("lock", "list")[1]
        assert "site" in tidemill("lock", "list", "--all")[1]
        code, _, errors = tidemill("lock", "extend", "site", *mine)
        assert (code, "LockExtension" in errors) == (4, True)
        code, _, errors = tidemill("lock", "show", "other")
        assert (code, "no lock other" in errors) == (5, True)
        assert tidemill("lock", "release", "site")[0] == 2
        assert tidemill("lock", "run", "site", "--", str(Path("no") / "such"))[0] == 2
