"""Every example, published to a real engine and played to its end: `tests/examples` says how.

One engine, one worker and one verifier serve all scenes, which play at the same time.
"""

import asyncio
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from typer.testing import CliRunner

import tests.examples.events
import tests.examples.people
import tests.examples.times
import tests.examples.ways
import tests.examples.work  # noqa: F401 - they add their scenes
from connectors.cli.main import app_of
from connectors.workers import ActivityContext
from connectors.workers.declare import activity_of
from connectors.workers.settings import WorkerSettings
from connectors.workers.worker import Worker
from schemas.partition import partition_of
from streams.testing.processes import Process
from tests.examples.play import FILES, FIRST, SCENES, Play, definition_id
from tests.examples.stage import PULSE, Offered, Stage, root

PULSES = [
    next(name for name in (f"pulse-{n}" for n in range(99)) if partition_of(name.encode(), 4) == p)
    for p in range(4)
]
ELSEWHERE = {"charge-card": "payments"}
"""Queues beside the default one."""


@pytest.fixture
def engine(environment, tmp_path):
    """An engine whose clock a test may move."""
    clock = tmp_path / "clock"
    clock.write_text("0")
    arguments = ["-m", "streams.testing.ahead", str(clock)]
    with Process(arguments, environment, tmp_path / "engine.log") as process:
        yield process


@pytest.fixture
def stage(engine, client, settings_of, tmp_path):
    made = Stage(settings_of(), client, tmp_path / "clock", PULSES)
    worker = Worker(
        # Detached, it would have to beat by the engine's clock.
        settings_of(WorkerSettings, worker_session_timeout=6.0, worker_drain=1, detach_after=999),
        activities(made),
    )
    worker.start()
    yield made
    worker.stop()
    made.close()


def activities(stage):
    """Every type of activity in the examples: what it does is up to the scene."""

    async def act(context: ActivityContext):
        future = asyncio.get_running_loop().create_future()
        if root(context.instance_id) in SCENES or context.activity_type == "hold":
            stage.offer(Offered(context, future))
            return await future
        return None

    texts = "".join(path.read_text() for path in FILES.values())
    types = {"hold", "notification_activity", *re.findall(r"activity_type: ([\w-]+)", texts)}
    return [
        activity_of(act, name, queue, waits=True)
        for name in types
        for queue in {"default", ELSEWHERE.get(name, "default")}
    ]


def publish(stage):
    """Publish all of them at once, and let a pulse beat on each partition."""
    sources = {definition_id(name): path.read_text() for name, path in FILES.items()}
    assert len(sources) == len(FILES), "two examples have the same id"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(stage.client.publish, ["pulse", *sources], [PULSE, *sources.values()]))
    for name in PULSES:
        stage.client.run("pulse", instance_id=name)
    return made


class Cast:
    """All scenes, each on a thread of its own; what went wrong in each."""

    def __init__(self, stage):
        self._stage = stage
        self.faults = {}
        self._over = {name: threading.Event() for name in SCENES}

    def play(self):
        threads = [
            threading.Thread(target=self._play, args=(name,), name=name, daemon=True)
            for name in SCENES
        ]
        for _ in threads:
            self._stage.enter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _play(self, name):
        example, function = SCENES[name]
        first = FIRST.get(example, name)
        try:
            if first != name:
                self._over[first].wait()
            function(Play(self._stage, name, example))
        except BaseException as error:  # noqa: BLE001 - told below, with all others
            self.faults[name] = f"{type(error).__name__}: {error}"
        finally:
            self._over[name].set()
            self._stage.leave()


@pytest.mark.kafka
@pytest.mark.timeout(300)
def test_every_example_is_played_to_its_end(stage, engine, environment):
    published = publish(stage)
    assert [one for one in published if not one.reply.accepted] == []
    cast = Cast(stage)
    cast.play()
    assert cast.faults == {}, "\n".join(f"{name}: {text}" for name, text in cast.faults.items())
    for name in PULSES:
        stage.client.terminate(name)
    done = CliRunner().invoke(app_of(), ["verify", "--json"], env=environment)
    said = json.loads(done.stdout.strip().splitlines()[-1])
    assert (done.exit_code, said["faults"]) == (0, []), done.output
    assert said["unfinished"] == 0, said


def test_every_example_has_a_scene():
    assert {example for example, _ in SCENES.values()} == set(FILES)
