"""The Petri net of a definition, as text, JSON or PNML."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from connectors.cli.failures import FAILED
from connectors.cli.output import as_json, fault, note, say
from schemas.definitions import DefinitionRecord
from streams.domain.net.model import Definition
from streams.domain.net.translate import TooManyChoicesError
from streams.forms import PNML_PARTIAL, read_definition, shown_nets, write_pnml

NetOption = Annotated[
    bool, typer.Option("--net", help="Write the Petri net that is proved: places, transitions.")
]
PnmlOption = Annotated[
    bool, typer.Option("--pnml", help="Write the Petri net in PNML, for other tools.")
]


def write_net(definition: Definition, *, json: bool, pnml: bool) -> None:
    """Write the net of a definition whose structure is in order."""
    try:
        if pnml:
            # Not for people: as it is, whatever the terminal.
            text = write_pnml(definition)
            sys.stdout.write(text + "\n")
            if f"<!-- {PNML_PARTIAL} -->" in text:
                note(PNML_PARTIAL)
        elif json:
            as_json(shown_nets(definition))
        else:
            for shown in shown_nets(definition):
                say(str(shown))
    except TooManyChoicesError as error:
        fault(
            f"the net of {definition.id} is too wide to be written: {error} has too many "
            "conditional flows; put an exclusive gateway before some"
        )
        raise typer.Exit(FAILED) from None


def write_net_of(record: DefinitionRecord, *, json: bool, pnml: bool) -> None:
    """Write the net of a version as it was published."""
    definition = read_definition(record.source)
    if isinstance(definition, list):
        for problem in definition:
            fault(str(problem))
        raise typer.Exit(FAILED)
    write_net(definition, json=json, pnml=pnml)
