"""Holding variables, inputs and results to the JSON Schemas that the author gave them."""

from __future__ import annotations

from typing import Any

import msgspec

from streams.domain.instance.places import ROOT
from streams.domain.instance.state import InstanceState
from streams.domain.instance.variables import scopes_from
from streams.domain.instance.work import Work
from streams.domain.net.schemas import Schemas, said_of
from streams.domain.protocol import Rejected

_decode = msgspec.json.decode


class UnfitError(ValueError):
    """A value that its schema does not allow."""


def unfit_start(schemas: Schemas, variables: dict[str, bytes]) -> Rejected | None:
    """Return the refusal of variables with which the workflow may not begin."""
    whole = schemas.input
    if whole is not None:
        said = said_of(whole, {name: _decode(value) for name, value in variables.items()})
        if said:
            return Rejected("InvalidInput", f"the workflow's input does not fit: {said}")
    return _refusal(schemas, "", variables)


def unfit_to_set(
    schemas: Schemas, state: InstanceState, scope: int, variables: dict[str, bytes]
) -> Rejected | None:
    """Return the refusal of variables that are set by hand in a running scope."""
    return _refusal(schemas, state.scopes[scope].node if scope else "", variables)


def _refusal(schemas: Schemas, node: str, variables: dict[str, bytes]) -> Rejected | None:
    said = _said(schemas, node, variables)
    return Rejected("InvalidInput", f"variable {said[0]}") if said else None


def _said(schemas: Schemas, node: str, variables: dict[str, bytes]) -> list[str]:
    known = schemas.variables.get(node)
    if not known:
        return []
    faults = {
        name: said_of(known[name], _decode(value))
        for name, value in variables.items()
        if name in known
    }
    return [f"{name!r} does not fit: {said}" for name, said in faults.items() if said]


def check_locals(work: Work, node: str, own: dict[str, bytes]) -> None:
    """Raise `UnfitError` where what a scope is given is not what its variables may be."""
    schemas = work.graph.schemas
    said = _said(schemas, node, own) if schemas is not None else []
    if said:
        raise UnfitError(f"variable {said[0]}")


def check_writes(work: Work, writes: dict[str, bytes], scope: int) -> dict[str, bytes]:
    """Return writes of a node in a running scope; `UnfitError` where one may not be written."""
    said = unfit_writes(work, writes, scope)
    if said:
        raise UnfitError(f"variable {next(iter(said.values()))}")
    return writes


def unfit_writes(work: Work, writes: dict[str, bytes], scope: int) -> dict[str, str]:
    """Return what is wrong with writes, by variable: each goes to the nearest scope that has it."""
    schemas = work.graph.schemas
    if schemas is None:
        return {}
    found: dict[str, str] = {}
    around = scopes_from(work.state, scope)
    for name, value in writes.items():
        opened = [work.state.scopes[key] for key in around]
        node = next((one.node for one in opened if name in one.variables), "")
        for said in _said(schemas, node, {name: value}):
            found[name] = said
    return found


def fitting(work: Work, writes: dict[str, bytes], scope: int = ROOT) -> dict[str, bytes]:
    """Return the writes that may stand."""
    if work.graph.schemas is None:
        return writes
    unfit = unfit_writes(work, writes, scope)
    return {name: value for name, value in writes.items() if name not in unfit}


def unfit_output(work: Work, node: str, output: Any) -> str:
    """Return what is wrong with what a worker returned; empty where nothing is."""
    schemas = work.graph.schemas
    return "" if schemas is None else said_of(schemas.outputs.get(node), output)


def check_result(work: Work, result: bytes) -> bytes:
    """Return a workflow's result; `UnfitError` where it may not be returned."""
    schemas = work.graph.schemas
    if schemas is not None and schemas.result is not None:
        said = said_of(schemas.result, _decode(result))
        if said:
            raise UnfitError(said)
    return result
