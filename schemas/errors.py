"""The catalogue of error codes: one list for replies, incidents, problem details and workers.

A code is stable once released; its sentence may be improved. Authors may use codes of their
own beside it: what a worker reports is passed on as it is.
"""

from __future__ import annotations

from typing import Final, NamedTuple

CAUSES_MAX: Final = 8
_CAUSE_LENGTH_MAX: Final = 500


class Code(NamedTuple):
    """What a code stands for."""

    kind: str
    """One of `KINDS`: what a caller that does not know the code may go by."""
    says: str
    hint: str
    """What to do about it."""


KINDS: Final[dict[str, str]] = {
    "ActivityExecution": "An activity failed in its worker.",
    "Persistence": "A store could not be read or written.",
    "State": "The aggregate's state does not allow this.",
    "Timeout": "Something did not happen in time.",
    "NotFound": "The thing named does not exist.",
    "Authorization": "The caller may not do this.",
    "Configuration": "A setting, a definition or a message is wrong.",
    "ExternalSystem": "A system outside Tidemill failed.",
}
"""The kinds of failure that a workflow can meet; each is a code too, where none is narrower."""

_KIND_HINTS: Final[dict[str, str]] = {
    "ActivityExecution": "The message is the activity's own; its retry says what follows.",
    "Persistence": "Look at the store and the disk, then try again.",
    "State": "Read the aggregate again, then decide.",
    "Timeout": "Try again, or allow more time.",
    "NotFound": "Check the id and the tenant.",
    "Authorization": "Ask for the permission that the message names.",
    "Configuration": "Mend what the message names.",
    "ExternalSystem": "Look at that system, then try again.",
}

_NARROWER: Final[dict[str, tuple[str, str, str]]] = {
    "InvalidDefinition": (
        "Configuration",
        "The definition breaks a rule.",
        "The message names file, line and path.",
    ),
    "InvalidVersion": (
        "Configuration",
        "The version is not greater than the last one, or no semantic version.",
        "Raise it: a published version never changes.",
    ),
    "MigrationPathMissing": (
        "Configuration",
        "No chain of migrations leads to the new version.",
        "Add the migration that is missing.",
    ),
    "IncompatibleWorkflows": (
        "Configuration",
        "The migration plan is for another workflow or version.",
        "Choose the plan of this one.",
    ),
    "InvalidState": ("State", "The command does not fit the present state.", "Read it again."),
    "InvalidStateTransition": (
        "State",
        "No such transition leads out of the present state.",
        "The message names the states that take the command.",
    ),
    "MissingParameter": ("Configuration", "A required field is missing or empty.", "Give it."),
    "UnsupportedOperation": (
        "Configuration",
        "The operation does not exist here.",
        "The message names those that do.",
    ),
    "UnsupportedQuery": (
        "Configuration",
        "The query does not exist here.",
        "The message names those that do.",
    ),
    "InvalidInput": (
        "Configuration",
        "A field's value is not acceptable.",
        "The message says what is.",
    ),
    "DataTransformation": (
        "ActivityExecution",
        "A mapping or transformer could not produce its value.",
        "Look at the values in the details.",
    ),
    "Serialization": (
        "Configuration",
        "The bytes could not be decoded or encoded.",
        "Use the schemas of schemas/avro, and JSON for variables.",
    ),
    "ConnectionError": (
        "ExternalSystem",
        "A connection could not be made, or broke.",
        "Check address and network.",
    ),
    "CommunicationError": (
        "ExternalSystem",
        "A system answered with an error, or not at all.",
        "The message is that system's.",
    ),
    "LockAcquisition": ("State", "The lock is held by another owner.", "Wait, or release it."),
    "LockLost": (
        "State",
        "A section lost its lock: what ran in it was stopped.",
        "Look at what it did, then retry the incident: it asks for the lock again.",
    ),
    "LockExtension": ("State", "The lock is no longer held.", "Acquire it again."),
    "AuthenticationFailed": ("Authorization", "User or password is wrong.", "Try another."),
    "InvalidToken": ("Authorization", "The token is not valid.", "Log in again."),
    "ExpiredToken": ("Authorization", "The token has expired.", "Refresh it, or log in again."),
    "Unauthorized": ("Authorization", "No valid credentials were given.", "Give some."),
    "InvalidCredentials": (
        "Authorization",
        "The credentials have the wrong form for this system.",
        "The message names the form.",
    ),
    "InternalError": ("State", "A defect in Tidemill itself.", "Report it with the message."),
    # The engine's own.
    "already_exists": (
        "State",
        "An aggregate with this id exists already.",
        "Choose another id; a repeated command needs its former command id.",
    ),
    "already_closed": (
        "State",
        "The activity or call is no longer open.",
        "Its result is not wanted any more: nothing is left to do.",
    ),
    "already_claimed": (
        "State",
        "Somebody else has claimed the approval; the message names who.",
        "Ask them to release it, or an operator to assign it.",
    ),
    "version_conflict": (
        "State",
        "The aggregate has moved on from `expected_sequence`.",
        "Read it again, then decide.",
    ),
    "limit_exceeded": (
        "Configuration",
        "A size or count is above its limit; the message names both.",
        "Pass large data by reference.",
    ),
    "wrong_partition": (
        "Configuration",
        "The key hashes to another partition:",
        "set partitioner=murmur2_random.",
    ),
    "engine_error": (
        "State",
        "The engine could not decide this command.",
        "It was kept as a dead letter; report it with the message.",
    ),
    "expression_failed": (
        "ActivityExecution",
        "An expression failed or gave a value of the wrong type.",
        "Mend the values, or the definition, then retry the incident.",
    ),
    "schema_violation": (
        "ActivityExecution",
        "A value does not fit the JSON Schema that the author gave for it.",
        "Set the variable to a value that fits, then retry the incident.",
    ),
    "no_true_branch": (
        "ActivityExecution",
        "No condition of a split was true and it has no default flow.",
        "Mend the values, then retry the incident.",
    ),
    "not_sound": (
        "Configuration",
        "The definition is not sound: some run of it cannot end as it should.",
        "Mend what the run shows, or publish with allow_unsound.",
    ),
    "soundness_unknown": (
        "Configuration",
        "Whether the definition is sound could not be found out.",
        "Split the workflow, allow more states, or publish with allow_unsound.",
    ),
    "queue_missing": (
        "NotFound",
        "The activity's queue has no topic.",
        "Run `tidemill topics apply --queue NAME`, then retry the incident.",
    ),
}

CODES: Final[dict[str, Code]] = {
    **{name: Code(name, says, _KIND_HINTS[name]) for name, says in KINDS.items()},
    **{name: Code(*parts) for name, parts in _NARROWER.items()},
}
"""Every code of Tidemill's own."""

CATALOGUE: Final[dict[str, str]] = {
    name: f"{code.says} {code.hint}" for name, code in CODES.items()
}
"""What happened and what to do, by code."""


def kind_of(code: str) -> str:
    """Return the kind of a code; an author's own is an activity's failure."""
    known = CODES.get(code)
    return "ActivityExecution" if known is None else known.kind


def cause_chain(error: BaseException | None) -> list[str]:
    """Return what an exception was caused by, outermost first."""
    causes: list[str] = []
    cause = None if error is None else (error.__cause__ or error.__context__)
    while cause is not None and len(causes) < CAUSES_MAX:
        causes.append(f"{type(cause).__name__}: {cause}"[:_CAUSE_LENGTH_MAX])
        cause = cause.__cause__ or cause.__context__
    return causes
