"""`tidemill definition`: validate and publish workflows, see what is published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from connectors.cli.connection import client, kafka
from connectors.cli.failures import FAILED, NotFoundError
from connectors.cli.nets import NetOption, PnmlOption, write_net, write_net_of
from connectors.cli.output import JsonOption, as_json, fault, rows, say
from schemas.codec import decode
from schemas.definitions import DefinitionRecord
from streams.domain.net.soundness import STATES_MAX
from streams.forms import Problem, prove
from streams.testing.audit import read_partition
from topics.apply import admin_of
from topics.cluster import present
from topics.names import Names

app = typer.Typer(
    name="definition", help="Validate, publish and list workflows.", no_args_is_help=True
)
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
    json: JsonOption = False,
) -> None:
    """Check definitions without a broker: form, structure, and whether every run can end.

    Every problem has file, line and path; what is not sound has a run that shows it.
    """
    if pnml and len(files) > 1:
        raise typer.BadParameter("a PNML document is of one definition: give one file")
    found: list[Problem] = []
    shown = net or pnml
    for file in files:
        definition, problems, verdict = prove(
            file.read_text(encoding="utf-8"), str(file), max_states
        )
        found += problems
        if definition is None or verdict is None:
            continue
        if shown:
            write_net(definition, json=json, pnml=pnml)
        elif verdict.sound and not json:
            text = f"{definition.id} {definition.version} is well formed and sound"
            say(f"{file}: {text} ({verdict.states:,} states)")
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
        bool, typer.Option("--allow-unsound", help="Publish what is not sound all the same.")
    ] = False,
    max_states: MaxStates = STATES_MAX,
    json: JsonOption = False,
) -> None:
    """Prove definitions sound, and publish them; a version is immutable once published."""
    sources = []
    for file in files:
        text = file.read_text(encoding="utf-8")
        definition, problems, _verdict = prove(text, str(file), max_states)
        errors = [
            problem
            for problem in problems
            if problem.severity == "error" and not (problem.property and allow_unsound)
        ]
        if definition is None or errors:
            for problem in errors:
                fault(str(problem))
            if all(problem.property for problem in errors):
                fault("nothing is published: mend this, or give --allow-unsound")
            raise typer.Exit(FAILED)
        sources.append((definition.id, definition.version, text))
    with client() as made:
        for name, version, text in sources:
            reply = made.publish(name, text).reply
            if json:
                as_json({"id": name, "version": version, "position": reply.position})
            else:
                say(f"{name} {version} is published")


@app.command("list")
def listed(json: JsonOption = False) -> None:
    """List every published version."""
    found = [(r.definition_id, r.version, r.status) for r in _records()]
    rows(("id", "version", "status"), found, json=json, empty="nothing is published yet")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Id of the definition.")],
    version: Annotated[str, typer.Option(help="Default: the newest.")] = "",
    net: NetOption = False,
    pnml: PnmlOption = False,
    json: JsonOption = False,
) -> None:
    """Write a definition's source as it was published, or its Petri net."""
    wanted = [r for r in _records() if r.definition_id == name and version in {"", r.version}]
    if not wanted:
        raise NotFoundError(f"no definition {name} {version}: see `tidemill definition list`")
    if net or pnml:
        write_net_of(wanted[-1], json=json, pnml=pnml)
    elif json:
        as_json(wanted[-1])
    else:
        say(wanted[-1].source)


def _records() -> list[DefinitionRecord]:
    """Read the compacted topic: it is small, and is the truth."""
    found: dict[bytes, DefinitionRecord] = {}
    with kafka() as settings:
        servers, topic = settings.kafka_bootstrap_servers, Names(settings.topic_prefix).definitions
        for partition in range(present(admin_of(servers)).get(topic, 0)):
            for record in read_partition(servers, topic, partition):
                body = decode(record.value or b"").body
                if isinstance(body, DefinitionRecord):
                    found[record.key or b""] = body
    return sorted(found.values(), key=lambda one: (one.definition_id, _order(one.version)))


def _order(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
