"""The gate of publication on a real Kafka: whichever way a definition comes, it is judged first."""

import json
import os
import signal
import socket
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from confluent_kafka import Producer

from connectors.cli.failures import guarded
from connectors.cli.main import app_of
from connectors.client.client import Client
from connectors.client.errors import (
    CommandRejectedError,
    DefinitionRefusedError,
    NoAnswerError,
)
from schemas.codec import decode, encode
from schemas.commands import PublishDefinition
from schemas.envelope import Envelope
from schemas.json_text import parse
from schemas.partition import partition_of
from schemas.registry import public_type
from schemas.results import RecordVerdict
from streams.domain.definition.state import source_hash
from streams.testing.audit import audit, read_partition
from streams.testing.processes import Process, until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

STUCK = """id: stuck
version: 1.0.0
nodes:
  start: {type: start, next: check}
  check:
    type: exclusive
    next: [{to: a, when: "${n > 1}"}, {to: b, default: true}]
  a: {type: timer, duration: PT1S, next: meet}
  b: {type: timer, duration: PT1S, next: meet}
  meet: {type: parallel, next: end}
  end: {type: end}
variables: {n: {type: integer, default: 0}}
"""
HELLO = """id: hello
version: 1.0.0
nodes: {start: {type: start, next: end}, end: {type: end}}
"""
ASKS = """id: asks
version: 1.0.0
nodes:
  start: {type: start, next: ask}
  ask: {type: throw, message: question, key: k, next: wait}
  wait: {type: catch, message: answer, key: k, next: end}
  end: {type: end}
"""
ANSWERS = """id: answers
version: 1.0.0
nodes:
  start: {type: start, next: listen}
  listen: {type: catch, message: question, key: k, next: tell}
  tell: {type: throw, message: answer, key: k, next: end}
  end: {type: end}
"""
MUTE = """id: mute
version: 1.0.0
nodes:
  start: {type: start, next: listen}
  listen: {type: catch, message: question, key: k, next: choose}
  choose:
    type: exclusive
    next: [{to: tell, when: "${n > 1}"}, {to: end, default: true}]
  tell: {type: throw, message: answer, key: k, next: end}
  end: {type: end}
variables: {n: {type: integer, default: 0}}
"""
RUN = ["start", "check (check->a)", "a"]


class Log:
    """What another program does and sees: it writes raw commands and reads topics."""

    def __init__(self, kafka, names):
        self._kafka, self.names = kafka, names
        self._producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2_random"})
        self._sent = 0

    def send(self, topic, target, body):
        self._sent += 1
        name = f"raw-{self._sent}"
        envelope = Envelope(name, public_type(body), 1, "definition", target)
        self._producer.produce(topic, encode(envelope, body), target.encode())
        assert self._producer.flush(20) == 0
        return name

    def read(self, topic, target):
        partition = partition_of(target.encode(), 4)
        found = [decode(r.value) for r in read_partition(self._kafka, topic, partition)]
        return [one for one in found if one.envelope.aggregate_id == target]

    def events(self, target):
        return self.read(self.names.events, target)

    def kinds(self, target):
        return [one.envelope.type for one in self.events(target)]

    def statuses(self, target):
        return [body.status for _, body in self.read(self.names.definitions, target)]

    def refusal(self, name):
        """The code with which a raw command was rejected; empty while it was not."""
        for partition in range(4):
            for record in read_partition(self._kafka, self.names.replies, partition):
                envelope, body = decode(record.value)
                if envelope.context.causation_id == name:
                    return body.code
        return ""


@pytest.fixture
def log(kafka, names):
    return Log(kafka, names)


@pytest.fixture
def verifier_of(environment, tmp_path):
    """Make a verifier process, with its settings; it is killed at the end."""
    made = []

    def make(*words, **settings):
        more = {f"TIDEMILL_VERIFIER_{name.upper()}": str(v) for name, v in settings.items()}
        arguments = ["-m", "connectors.cli", "verifier", *words]
        process = Process(arguments, environment | more, tmp_path / f"verifier-{len(made)}.log")
        process.start()
        made.append(process)
        return process

    yield make
    for one in made:
        if one.running():
            one.kill()


@pytest.fixture
def alone(settings_of):
    """A client of an engine that has no verifier."""
    with Client(settings_of()) as made:
        yield made


class Done(NamedTuple):
    """What a command line wrote, and how it ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def tidemill(environment, monkeypatch, capsys):
    """Run a command line in this process, with the exit code that a shell would see."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def run(*words):
        capsys.readouterr()
        code = guarded(lambda: app_of(words)(words, standalone_mode=False))
        return Done(code, *capsys.readouterr())

    return run


def test_an_unsound_definition_is_refused_whichever_way_it_comes_and_shown_why(
    engine, client, log, kafka, names
):
    # A raw command of a program in another language.
    log.send(names.commands, "stuck", PublishDefinition(STUCK))
    until(lambda: "definition.refused" in log.kinds("stuck"), 60, engine.tail)
    submitted, refused = log.events("stuck")
    assert submitted.envelope.type == "definition.submitted"
    assert (refused.body.code, refused.body.verdict) == ("not_sound", "unsound")
    assert refused.envelope.context.actor == "verifier"
    assert "stuck@1.0.0:10:3 nodes.meet: option to complete" in refused.body.message
    (first, *_) = parse(refused.body.violations)
    assert (first["property"], first["node"], first["line"]) == ("option to complete", "meet", 10)
    assert first["trace"] == RUN
    assert log.statuses("stuck") == ["submitted", "refused"]
    with pytest.raises(CommandRejectedError, match="is not published"):
        client.run("stuck")

    # Nobody but the verifier may say what it found.
    forged = RecordVerdict("1.0.0", source_hash(STUCK), "sound")
    name = log.send(names.commands, "stuck", forged)
    until(lambda: log.refusal(name) == "UnsupportedOperation", 30, engine.tail)

    # The client is told, with the same words.
    with pytest.raises(DefinitionRefusedError, match="option to complete") as raised:
        client.publish("stuck", STUCK)
    assert (raised.value.code, raised.value.reply.accepted) == ("not_sound", False)
    assert parse(raised.value.violations)[0]["trace"] == RUN

    # Allowed, it is published and marked, and can be started at once.
    done = client.publish("stuck", STUCK, allow_unsound=True)
    assert (done.version, done.verdict, done.reply.accepted) == ("1.0.0", "unsound", True)
    assert client.run("stuck").reply.accepted
    assert log.statuses("stuck")[-1] == "published"
    published = log.events("stuck")[-1]
    assert (published.envelope.type, published.body.verdict) == ("definition.published", "unsound")
    assert parse(published.body.violations)[0]["trace"] == RUN
    # What stands is said again, to whoever publishes the same source.
    assert client.publish("stuck", STUCK).verdict == "unsound"

    # Past its budget the verifier says so.
    with pytest.raises(DefinitionRefusedError, match="more than 1 states") as raised:
        client.publish("hello", HELLO, max_states=1)
    assert raised.value.code == "soundness_unknown"
    assert client.publish("hello", HELLO).verdict == "sound"
    assert engine.stop() == 0
    assert audit(kafka, names, 4).faults == []


@pytest.mark.slow
def test_who_speaks_with_each_other_is_published_together_or_not_at_all(
    engine, client, log, tidemill, tmp_path, kafka, names
):
    # Neither is refused by itself: the one waits for what the other does not always send.
    for name, source, other in (("asks", ASKS, "mute"), ("mute", MUTE, "asks")):
        log.send(names.commands, name, PublishDefinition(source, sound_with=[f"{other}@1.0.0"]))
    for name in ("asks", "mute"):
        until(lambda name=name: "definition.refused" in log.kinds(name), 60, engine.tail)
        refused = log.events(name)[-1].body
        assert (refused.code, refused.verdict) == ("not_sound", "unsound")
        assert "option to complete together" in refused.message
        assert "asks: ask → " in refused.message

    # The command line sends all files of a group at once.
    fit = [tmp_path / "asks.yaml", tmp_path / "answers.yaml"]
    fit[0].write_text(ASKS)
    fit[1].write_text(ANSWERS)
    done = tidemill("definition", "publish", *map(str, fit))
    assert done.returncode == 0, done.stderr
    assert log.statuses("asks")[-1] == log.statuses("answers")[-1] == "published"

    # One that nobody named is only warned of: the other side may follow.
    warned = client.publish("late", MUTE.replace("id: mute", "id: late"))
    assert (warned.verdict, "warning" in warned.message) == ("sound", True), warned
    listed = json.loads(tidemill("definition", "list", "--json").stdout)
    assert {one["id"]: one["warnings"] > 0 for one in listed if one["status"] == "published"} == {
        "asks": False,
        "answers": False,
        "late": True,
    }
    assert engine.stop() == 0
    assert audit(kafka, names, 4).faults == []


def child_of(process):
    """Process id of the only child of a verifier: the process that proves."""
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find the proof")
def test_a_verifier_killed_in_the_middle_of_a_proof_loses_nothing(
    engine, alone, log, verifier_of, kafka, names
):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    first = verifier_of(metrics_port=port)
    until(lambda: "verifying" in first.tail(), 60, first.tail)
    proof = child_of(first)
    os.kill(proof, signal.SIGSTOP)  # The proof is begun, and does not end.
    try:
        with pytest.raises(NoAnswerError, match="no verifier has answered"):
            alone.publish("hello", HELLO, timeout=1.0)
        metrics = f"http://127.0.0.1:{port}/metrics"
        until(lambda: "tidemill_verifier_pending 1.0" in httpx.get(metrics).text, 20, first.tail)
        first.kill()
    finally:
        os.kill(proof, signal.SIGKILL)
    assert log.statuses("hello") == ["submitted"]
    with pytest.raises(CommandRejectedError, match="is not published"):
        alone.run("hello")
    second = verifier_of()
    # Submitted again while it waits, it is the same submission.
    done = alone.publish("hello", HELLO, timeout=90)
    assert (done.verdict, alone.run("hello").reply.accepted) == ("sound", True)
    assert log.kinds("hello") == ["definition.submitted", "definition.published"]
    assert second.stop() == 0, second.tail()
    assert "Traceback" not in second.tail(), second.tail()


@pytest.mark.slow
def test_the_command_line_publishes_marks_and_says_when_no_verifier_runs(
    engine, tidemill, verifier_of, tmp_path
):
    hello, stuck = tmp_path / "hello.yaml", tmp_path / "stuck.yaml"
    hello.write_text(HELLO)
    stuck.write_text(STUCK)
    done = tidemill("definition", "publish", str(hello), "--timeout", "3")
    assert done.returncode == 6, done.stderr
    assert "hello is submitted; waiting for the verifier's verdict" in done.stderr
    assert "no verifier has answered for 3 s: is `tidemill verifier` running?" in done.stderr
    listed = tidemill("definition", "list", "--json")
    (one,) = json.loads(listed.stdout)
    assert (one["id"], one["status"], one["verdict"]) == ("hello", "submitted", "waiting")

    verifier_of("--max-states", "1000")
    words = ["definition", "publish", str(hello), "--json"]
    done = tidemill(*words, "--timeout", "60")
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (0, "sound"), done.stderr
    run = tidemill("instance", "start", "hello", "--wait")
    assert run.returncode == 0, run.stderr

    words = ["definition", "publish", "--allow-unsound", str(stuck)]
    done = tidemill(*words)
    assert done.returncode == 0, done.stderr
    assert "stuck 1.0.0 is published, and marked as unsound" in done.stdout
    assert "option to complete: a run can stop for ever" in done.stderr
    listed = tidemill("definition", "list", "--json")
    assert {one["id"]: (one["status"], one["verdict"]) for one in json.loads(listed.stdout)} == {
        "hello": ("published", "sound"),
        "stuck": ("published", "unsound"),
    }
    shown = tidemill("definition", "show", "stuck")
    assert (shown.stdout.strip(), shown.returncode) == (STUCK.strip(), 0)
    assert "stuck 1.0.0 is published: unsound" in shown.stderr
    record = json.loads(tidemill("definition", "show", "stuck", "--json").stdout)
    assert (record["verdict"], record["violations"][0]["trace"]) == ("unsound", RUN)
