"""Real databases: a SQLite file, and PostgreSQL where its binaries or a server are there."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.engine import make_url

from projections import tables
from projections.approvals import WAITING, approval_of
from projections.events import Event
from projections.instances import instance_of
from projections.locks import lock_of
from projections.migrate import upgrade
from projections.positions import Source, places_of
from projections.projection import FORM, NAME, Projection
from projections.reader import Reader
from projections.settings import ProjectionSettings
from projections.store import open_engine, reading
from schemas.envelope import Context, Envelope
from schemas.registry import public_type
from streams.domain.aggregates import AGGREGATES
from streams.testing.oracle import Oracle
from streams.testing.processes import Process

UNPRIVILEGED = ("postgres", "nobody")
OPTIONS = "-c listen_addresses='' -c fsync=off -c full_page_writes=off -c max_connections=40"


def binaries():
    """Return the folder of PostgreSQL's server programs, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


class PrivateServer:
    """A PostgreSQL of this test run: in a folder of its own, reached by a socket there."""

    def __init__(self, programs):
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="tidemill-pg-"))
        self._user = None
        if os.geteuid() == 0:  # initdb refuses to run as root.
            self._user = next(name for name in UNPRIVILEGED if _exists(name))
            shutil.chown(self._folder, self._user)
        self.url = f"postgresql://tidemill@/postgres?host={self._folder}"

    def _run(self, program, *arguments):
        command = [str(self._programs / program), *arguments]
        done = subprocess.run(
            command,
            user=self._user,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}"

    @property
    def _data(self):
        return str(self._folder / "data")

    def create(self):
        self._run("initdb", "-D", self._data, "-U", "tidemill", "-A", "trust", "-E", "UTF8", "-N")
        self.start()

    def start(self):
        options = f"{OPTIONS} -k {self._folder}"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", self._data, "-l", log, "-w", "-o", options, "start")

    def stop(self):
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    def remove(self):
        self.stop()
        shutil.rmtree(self._folder)


def _exists(name):
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


@pytest.fixture(scope="session")
def postgres():
    """A private PostgreSQL server, which a test may stop and start."""
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL here: install `postgresql`, or set TIDEMILL_TEST_DATABASE_URL")
    server = PrivateServer(programs)
    server.create()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def postgres_url(request):
    """Address of a database of this run: on the environment's server, else on the private one."""
    url = os.environ.get("TIDEMILL_TEST_DATABASE_URL") or request.getfixturevalue("postgres").url
    given = make_url(url).set(drivername="postgresql+psycopg")
    name = f"t{uuid.uuid4().hex[:10]}"
    run_sql(given, f"CREATE DATABASE {name}")
    yield given.set(database=name).render_as_string(hide_password=False)
    run_sql(given, f"DROP DATABASE {name} WITH (FORCE)")


def run_sql(url, *statements):
    """Run statements that stand outside of transactions."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """Address of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/views.db"
    url = request.getfixturevalue("postgres_url")
    run_sql(url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    return url


@pytest.fixture
def database(database_url, tmp_path):
    """Settings of that database, without any Kafka."""
    return ProjectionSettings(database_url=database_url, data_dir=tmp_path)


@pytest.fixture
def sql(database):
    """An engine on it, as the product opens it."""
    engine = open_engine(database)
    yield engine
    engine.dispose()


class Written:
    """Events as one partition's log holds them: numbered, in order, with offsets that skip."""

    def __init__(self, partition=0):
        self.partition = partition
        self.events = []
        self.sequences = {}

    def add(self, body, name="i1", incarnation="a", *, sequence=0, time=0, kind="", **context):
        """Append an event of an aggregate; its sequence follows from those before."""
        if not kind:
            noun = public_type(body).partition(".")[0]
            kind = {"definition": "definition", "schedule": "definition", "lock": "lock"}.get(
                noun, "instance"
            )
        key = (kind, context.get("tenant", "default"), name, incarnation)
        number = sequence or self.sequences.get(key, 0) + 1
        self.sequences[key] = number
        position = len(self.events) + 1
        envelope = Envelope(
            f"{name}@{incarnation}:{number}",
            public_type(body),
            time or 1_000 * position,
            kind,
            name,
            "" if kind == "definition" else incarnation,
            number,
            position,
            context=Context(**context),
        )
        # A transaction's marker stands after every second event.
        offset = position - 1 + position // 2
        self.events.append(Event(self.partition, offset, envelope, body))
        return self.events[-1]


@pytest.fixture
def written():
    """An empty log of partition 0."""
    return Written()


SOURCE = Source("cluster", "workflow.events", "topic", FORM)


@pytest.fixture
def projection(sql):
    """A projection that has read nothing of a log of one partition."""
    upgrade(sql)
    made = Projection(sql)
    made.resume(SOURCE, 1)
    return made


@pytest.fixture
def reader(database, projection):
    """A reader of the same database."""
    with Reader(database) as made:
        yield made


def shown(row):
    """Return what a row and the engine's state have in common, of a row."""
    return {
        "status": row.state,
        "sequence": row.sequence,
        "incarnation": row.incarnation,
        "definition_id": row.definition_id,
        "definition_version": row.definition_version,
        "variables": {name: bytes(value) for name, value in row.variables.items()},
        "tokens": row.tokens,
        "incidents": {k: (i.code, i.message, i.node, i.token) for k, i in row.incidents.items()},
        "path": row.execution_path,
        "errors": row.error_stack,
        "created_at": row.created_at,
        "created_by": row.created_by,
        "ended_at": row.ended_at or 0,
        "parent": (row.parent_id, row.parent_incarnation, row.parent_call),
        "reason": row.reason,
        "metadata": bytes(row.metadata),
    }


def folded(state):
    """Return the same of the engine's state."""
    return {
        "status": state.status,
        "sequence": state.sequence,
        "incarnation": state.incarnation,
        "definition_id": state.definition_id,
        "definition_version": state.definition_version,
        "variables": state.variables,
        "tokens": state.tokens,
        "incidents": {k: (i.code, i.message, i.node, i.token) for k, i in state.incidents.items()},
        "path": state.path,
        "errors": state.errors,
        "created_at": state.created_at,
        "created_by": state.created_by,
        "ended_at": state.ended_at,
        "parent": (state.parent.id, state.parent.incarnation, state.parent.call),
        "reason": state.reason,
        "metadata": state.metadata,
    }


def shown_lock(row):
    """Return what a lock's row and the engine's state have in common, of a row."""
    held = (row.aggregate_type, row.owner, row.aggregate_id, row.aggregate_incarnation, row.section)
    return {
        "sequence": row.sequence,
        "incarnation": row.incarnation,
        "token": row.token,
        "holder": (*held, row.token, row.expires_at) if row.state == "held" else None,
        "freed_at": None if row.state == "held" else row.freed_at,
        "waiting": [(one.aggregate_type, one.owner, one.until) for one in row.waiting],
    }


def folded_lock(state):
    """Return the same of the engine's state."""
    holder = state.holder
    held = None
    if holder is not None:
        o = holder.owner
        held = (o.aggregate_type, o.name, o.aggregate_id, o.incarnation, o.section)
        held = (*held, holder.token, holder.expires_at)
    return {
        "sequence": state.sequence,
        "incarnation": state.incarnation,
        "token": state.token,
        "holder": held,
        "freed_at": None if held else state.freed_at,
        "waiting": [(w.owner.aggregate_type, w.owner.name, w.wait_until) for w in state.waiters],
    }


def waiting_rows(connection):
    """Return the approvals that wait for somebody, as the view has them."""
    rows = [approval_of(row) for row in connection.execute(select(tables.approvals)).all()]
    return {
        (row.tenant, row.instance, row.incarnation, row.approval): (
            (row.node, row.assignee, row.candidate_users, row.candidate_groups),
            (row.claimant, row.owner, row.due, row.level),
            [one.name for one in row.documents],
        )
        for row in rows
        if row.state in WAITING
    }


def waiting_approvals(states):
    """Return the same as the engine has them."""
    return {
        (*key.decode().split("/", 2)[1:], state.incarnation, number): (
            (one.node, one.assignee, one.candidate_users, one.candidate_groups),
            (one.claimant, one.owner, one.due, one.level),
            one.documents,
        )
        for key, state in states.items()
        if key.startswith(b"instance/")
        for number, one in state.approvals.items()
    }


@pytest.fixture
def held(sql):
    """Hold every row, position and number of rows against the fold of a log's values."""

    def hold(log):
        with reading(sql) as connection:
            places = places_of(connection, NAME)
            oracles = []
            for partition, values in log.items():
                oracle = Oracle(partition, AGGREGATES)
                for value in values:
                    oracle.see(value)
                assert oracle.faults == []
                assert places[partition].number == oracle.events, f"partition {partition}"
                oracles.append(oracle)
            states = {key: one for oracle in oracles for key, one in oracle.states().items()}
            wanted = {
                tuple(key.decode().split("/", 2)[1:]): folded(state)
                for key, state in states.items()
                if key.startswith(b"instance/")
            }
            rows = connection.execute(select(tables.instances)).all()
            assert {(row.tenant, row.id): shown(instance_of(row)) for row in rows} == wanted
            wanted = {
                tuple(key.decode().split("/", 2)[1:]): folded_lock(state)
                for key, state in states.items()
                if key.startswith(b"lock/")
            }
            rows = [lock_of(row) for row in connection.execute(select(tables.locks)).all()]
            assert {(row.tenant, row.id): shown_lock(row) for row in rows} == wanted
            assert waiting_rows(connection) == waiting_approvals(states)
            count = select(func.count()).select_from(tables.history)
            assert connection.execute(count).scalar() == sum(one.events for one in oracles)

    return hold


@pytest.fixture
def project_environment(environment, database_url):
    """What a projector of this test needs to know."""
    return {**environment, "TIDEMILL_DATABASE_URL": database_url}


@pytest.fixture
def projector(project_environment, tmp_path):
    """A projector process, not started."""
    made = Process(
        ["-m", "connectors.cli", "project"], project_environment, tmp_path / "project.log"
    )
    yield made
    if made.running():
        made.kill()


@pytest.fixture
def tidemill(project_environment):
    """Run a command; return exit code, standard output and error output."""

    def run(*words, **more):
        done = subprocess.run(
            [sys.executable, "-m", "connectors.cli", *words],
            env=os.environ | project_environment | more,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run
