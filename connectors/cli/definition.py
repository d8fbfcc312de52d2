"""`tidemill definition`: validate and publish workflows, see what is published."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from connectors.cli.connection import client, kafka
from connectors.cli.definition_delete import delete, deletion_told
from connectors.cli.failures import FAILED, NotFoundError
from connectors.cli.groups import Sound, WithOption, at_once, groups_of, named, names_for
from connectors.cli.known_types import remarks_on_types
from connectors.cli.nets import NetOption, PnmlOption, write_net, write_net_of
from connectors.cli.output import JsonOption, as_json, fault, note, rows, say
from connectors.cli.starts import starts_told
from connectors.client.activity_types import activity_types
from connectors.client.client import VERDICT_SECONDS
from connectors.client.compacted import newest
from connectors.client.outcomes import Publication
from schemas.definitions import DefinitionRecord
from schemas.json_text import parse
from streams.domain.net.soundness import STATES_MAX
from streams.forms import Problem, prove, prove_together
from topics.names import Names

app = typer.Typer(
    name="definition", help="Validate, publish and list workflows.", no_args_is_help=True
)
app.command()(delete)
_PATIENCE_SECONDS = 2.0
MaxStates = Annotated[
    int, typer.Option(min=1, help="States to look at before soundness counts as unknown.")
]
Files = Annotated[list[Path], typer.Argument(help="YAML or JSON files.", exists=True)]


@app.command()
def validate(
    files: Files,
    max_states: MaxStates = STATES_MAX,
    net: NetOption = False,
    pnml: PnmlOption = False,
    registered: Annotated[
        bool,
        typer.Option(
            "--registered", help="Also say which activity types no worker knows (asks Kafka)."
        ),
    ] = False,
    company: WithOption = None,
    json: JsonOption = False,
) -> None:
    """Check definitions without a broker: form, structure, and whether every run can end.

    Every problem has file, line and path; what is not sound has a run that shows it. Several files
    are also looked at together, where they call each other, or send each other messages or signals:
    none may wait for what the others do not send.
    """
    if pnml and len(files) > 1:
        raise typer.BadParameter("a PNML document is of one definition: give one file")
    found: list[Problem] = []
    sound: list[Sound] = []
    shown = net or pnml
    for file in files:
        text = file.read_text(encoding="utf-8")
        definition, problems, verdict = prove(text, str(file), max_states)
        found += problems
        if definition is None or verdict is None:
            continue
        if shown:
            write_net(definition, json=json, pnml=pnml)
        elif verdict.sound and not json:
            told = f"{definition.id} {definition.version} is well formed and sound"
            say(f"{file}: {told} ({verdict.states:,} states)")
        sound += [(text, str(file), definition)] if verdict.sound else []
    others = named(company, sound, _records()) if company else []
    found += _together([*sound, *others], max_states, quiet=json or shown)[0]
    found += _remarks(sound) if registered else []
    if json and not shown:
        as_json(found)
    else:
        for problem in found:
            fault(str(problem))
    if any(problem.severity == "error" for problem in found):
        raise typer.Exit(FAILED)


@app.command()
def publish(
    files: Files,
    allow_unsound: Annotated[
        bool,
        typer.Option(
            "--allow-unsound", help="Publish what is not sound all the same; it is marked so."
        ),
    ] = False,
    max_states: Annotated[
        int, typer.Option(min=0, help="As of `validate`; 0: as many as the verifier takes.")
    ] = 0,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds to wait for the verdict on each.")
    ] = VERDICT_SECONDS,
    company: WithOption = None,
    json: JsonOption = False,
) -> None:
    """Prove definitions sound, and publish them; a version is immutable once published.

    Nothing is sent where this machine finds something wrong with one of them. What is sent is
    judged again by `tidemill verifier`, and published by its verdict alone. Files that call each
    other or speak with each other are published together, or none of them is.
    """
    states = max_states or STATES_MAX
    sources = [_checked(file, states, allow_unsound=allow_unsound) for file in files]
    others = named(company, sources, _records()) if company else []
    groups = groups_of(sources)
    for group in groups:
        _check_together([*group, *others], states, allow_unsound=allow_unsound)
    with client() as made:
        for problem in _remarks(sources):
            note(str(problem))
        for group in groups:

            def send(one: Sound, group: list[Sound] = group) -> Publication:
                text, _, definition = one
                with _waiting(definition.id) as waiting:
                    return made.publish(
                        definition.id,
                        text,
                        allow_unsound=allow_unsound,
                        max_states=max_states,
                        sound_with=names_for(one, group, company or []),
                        timeout=timeout,
                        waiting=waiting,
                    )

            for done in at_once(send, group):
                _tell(done, json=json)


def _together(
    sound: list[Sound], max_states: int, *, quiet: bool
) -> tuple[list[Problem], bool | None]:
    """Return what is wrong with sound definitions together, and whether they can all end."""
    problems, accord = prove_together(sound, max_states)
    if accord.sound and accord.parties and not quiet:
        say(f"{', '.join(accord.parties)}: all can end together ({accord.states:,} states)")
    return problems, accord.sound


def _remarks(sources: list[Sound]) -> list[Problem]:
    """Return what is worth a word about the work that definitions ask for."""
    with kafka() as settings:
        known = activity_types(settings)
    return [one for source in sources for one in remarks_on_types(*source, known)]


def _check_together(sources: list[Sound], max_states: int, *, allow_unsound: bool) -> None:
    """Refuse to send what cannot all end together; warn of what is only worth a word."""
    problems, is_sound = _together(sources, max_states, quiet=True)
    for problem in problems:
        fault(str(problem))
    if not is_sound and not allow_unsound:
        fault("nothing is published: mend this, or give --allow-unsound")
        raise typer.Exit(FAILED)


def _checked(file: Path, max_states: int, *, allow_unsound: bool) -> Sound:
    """Return source, name and model of a file that may be sent."""
    text = file.read_text(encoding="utf-8")
    definition, problems, _verdict = prove(text, str(file), max_states)
    errors = [
        problem
        for problem in problems
        if problem.severity == "error" and not (problem.property and allow_unsound)
    ]
    if definition is not None and not errors:
        return text, str(file), definition
    for problem in errors:
        fault(str(problem))
    if all(problem.property for problem in errors):
        fault("nothing is published: mend this, or give --allow-unsound")
    raise typer.Exit(FAILED)


@contextmanager
def _waiting(name: str) -> Iterator[Callable[[float], None]]:
    """Yield what is told how long a verdict is waited for; it says so once."""
    told = False

    def tell(seconds: float) -> None:
        nonlocal told
        if seconds > _PATIENCE_SECONDS and not told:
            told = True
            note(f"{name} is submitted; waiting for the verifier's verdict")

    yield tell


def _tell(done: Publication, *, json: bool) -> None:
    if json:
        as_json(
            {
                "id": done.id,
                "version": done.version,
                "position": done.reply.position,
                "verdict": done.verdict,
                "message": done.message,
            }
        )
        return
    if done.verdict in {"unsound", "unknown"}:
        say(f"{done.id} {done.version} is published, and marked as {done.verdict}")
    else:
        say(f"{done.id} {done.version} is published")
    if done.message:
        note(done.message)


@app.command("list")
def listed(
    everything: Annotated[bool, typer.Option("--all", help="Deleted versions too.")] = False,
    json: JsonOption = False,
) -> None:
    """List every version that was submitted, and how it stands."""
    found = [
        (r.definition_id, r.version, r.status, _marking(r), _warnings(r))
        for r in _records()
        if everything or r.status != "deleted"
    ]
    columns = ("id", "version", "status", "verdict", "warnings")
    rows(columns, found, json=json, empty="nothing is published yet")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Id of the definition.")],
    version: Annotated[str, typer.Option(help="Default: the newest.")] = "",
    net: NetOption = False,
    pnml: PnmlOption = False,
    json: JsonOption = False,
) -> None:
    """Write a definition's source as it was submitted, or its Petri net.

    On the error stream: how the version stands, and what starts it by itself.
    """
    mine = [r for r in _records() if r.definition_id == name]
    wanted = [r for r in mine if version in {"", r.version}]
    if not wanted:
        raise NotFoundError(f"no definition {name} {version}: see `tidemill definition list`")
    # A deleted version is shown where it is asked for, or nothing else is left.
    record = ([r for r in wanted if r.status != "deleted"] or wanted)[-1]
    if net or pnml:
        write_net_of(record, json=json, pnml=pnml)
        return
    if json:
        as_json(msgspec.structs.asdict(record) | {"violations": parse(record.violations)})
        return
    say(record.source)
    note(f"{name} {record.version} is {record.status}: {_marking(record)}")
    if record.status == "deleted":
        note(deletion_told(record))
    if record.message:
        note(record.message)
    published = [one.version for one in mine if one.status == "published"]
    if record.version in published[-1:]:  # Only the newest one starts anything.
        for told in starts_told(record.source, time.time_ns() // 1_000_000):
            note(told)


def _marking(record: DefinitionRecord) -> str:
    """Return the verdict on a version, or why there is none."""
    none = "waiting" if record.status == "submitted" else "not verified"
    return record.verdict or none


def _warnings(record: DefinitionRecord) -> int:
    """Return how much `show` has to say of a sound version."""
    is_sound = record.status == "published" and record.verdict == "sound"
    return len(record.message.splitlines()) if is_sound else 0


def _records() -> list[DefinitionRecord]:
    """Read the compacted topic: it is small, and is the truth."""
    with kafka() as settings:
        topic = Names(settings.topic_prefix).definitions
        known = newest(settings.kafka_bootstrap_servers, topic)
    found = [body for body in known if isinstance(body, DefinitionRecord)]
    return sorted(found, key=lambda one: (one.definition_id, _order(one.version)))


def _order(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
