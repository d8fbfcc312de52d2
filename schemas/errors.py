"""The catalogue of error codes: one list for replies, incidents, problem details and workers.

A code is stable once released; its message may be improved.
"""

from __future__ import annotations

from typing import Final

import msgspec


class Problem(msgspec.Struct, frozen=True, gc=False):
    """What went wrong: code, sentence, the service it came from, and what caused it."""

    code: str
    message: str
    service: str = ""
    cause: list[str] = []
    """Cause chain, outermost first."""


CATALOGUE: Final[dict[str, str]] = {
    # The kinds of failure that a workflow can meet.
    "ActivityExecution": "An activity failed in its worker.",
    "Persistence": "A store could not be read or written.",
    "State": "The aggregate's state does not allow this.",
    "Timeout": "Something did not happen in time.",
    "NotFound": "The thing named does not exist.",
    "Authorization": "The caller may not do this.",
    "Configuration": "A setting or definition is wrong.",
    "ExternalSystem": "A system outside Tidemill failed.",
    # Narrower codes.
    "InvalidDefinition": "The definition breaks a rule; the message names file, line and path.",
    "InvalidVersion": "The version is not greater than the last published one, or is malformed.",
    "MigrationPathMissing": "No chain of migrations leads to the new version.",
    "IncompatibleWorkflows": "The migration plan is for another workflow or version.",
    "InvalidState": "The command does not fit the present state.",
    "InvalidStateTransition": "The state machine has no such transition.",
    "MissingParameter": "A required field is missing or empty.",
    "UnsupportedOperation": "The operation does not exist here.",
    "UnsupportedQuery": "The query does not exist here.",
    "InvalidInput": "A field's value is not acceptable.",
    "DataTransformation": "A mapping or transformer could not produce its value.",
    "Serialization": "The bytes could not be decoded or encoded.",
    "ConnectionError": "A connection could not be made or broke.",
    "CommunicationError": "A system answered with an error, or not at all.",
    "LockAcquisition": "The lock is held by another owner.",
    "LockExtension": "The lock is no longer held.",
    "AuthenticationFailed": "User or password is wrong.",
    "InvalidToken": "The token is not valid.",
    "ExpiredToken": "The token has expired.",
    "Unauthorized": "No valid credentials were given.",
    "InvalidCredentials": "The credentials have the wrong form for this system.",
    "InternalError": "A defect in Tidemill itself.",
    # The engine's own.
    "already_exists": "An aggregate with this id exists already.",
    "already_closed": "The activity or call is no longer open.",
    "version_conflict": "The aggregate has moved on from `expected_sequence`.",
    "limit_exceeded": "A size or count is above its limit; the message names both.",
    "wrong_partition": "The key hashes to another partition: set partitioner=murmur2_random.",
    "engine_error": "The engine could not decide this command; it was kept as a dead letter.",
    "expression_failed": "An expression failed or gave a value of the wrong type.",
    "no_true_branch": "No condition of a split was true and it has no default flow.",
    "queue_missing": "The activity's queue has no topic; run `tidemill topics apply --queue NAME`.",
    "stalled": "The aggregate waits for an operator after a defect; retry its incident.",
}
"""One sentence by code."""


def is_known(code: str) -> bool:
    """Tell whether a code is of the catalogue (workers may use their own beside it)."""
    return code in CATALOGUE
