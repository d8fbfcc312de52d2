"""The definition language: YAML and JSON to and from the workflow net."""

from streams.forms.net import ShownNet, shown_nets
from streams.forms.pnml import PNML_PARTIAL, write_pnml
from streams.forms.problem import Problem
from streams.forms.prove import prove, prove_together, remark
from streams.forms.read import examine, read_definition, read_for_decision
from streams.forms.write import definition_json, write_definition

__all__ = [
    "PNML_PARTIAL",
    "Problem",
    "ShownNet",
    "definition_json",
    "examine",
    "prove",
    "prove_together",
    "read_definition",
    "read_for_decision",
    "remark",
    "shown_nets",
    "write_definition",
    "write_pnml",
]
