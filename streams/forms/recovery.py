"""What follows a failure, in the author's words: `on_failure` and the spellings of other tools.

`on_failure: {strategy: skip}` may be `on_failure: skip`; strategies may be written as
`RetryWithBackoff`, `retry_with_backoff`, and with their parameters beside them or below them
(`strategy: {Retry: {max_attempts: 3, backoff: {fixed: 5}}}`). Strategies that retry become the
node's `retry`. `error_handler: {strategy: ..., fallback_path: NODE}` says the same.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

RETRY: Final = "retry"
STRATEGIES: Final = {
    "retry": RETRY,
    "retryimmediate": RETRY,
    "retrywithbackoff": RETRY,
    "compensate": "compensate",
    "skip": "skip",
    "continue": "skip",
    "failworkflow": "fail_workflow",
    "fail": "fail_workflow",
    "manualintervention": "manual_intervention",
}
"""Ours by an author's word, in small letters without `_` and `-`."""
_KEYS: Final = {"fallback_path": "fallback", "activity_id": "compensation_activity"}
_RETRY_KEYS: Final[tuple[str, ...]] = (
    "max_attempts",
    "initial_delay",
    "backoff_factor",
    "max_delay",
)
_BACKOFF_KEYS: Final[dict[str, str]] = {
    "initial": "initial_delay",
    "factor": "backoff_factor",
    "max": "max_delay",
}


class Unfolding(NamedTuple):
    """What was found at a node or a definition."""

    key: str
    """`on_failure` or `error_handler`."""
    fallback: str
    """The node that a fallback leads to; empty for none."""
    made: list[str]
    """Keys that the holder has now instead."""
    problems: list[str]


def unfold_recovery(holder: dict[str, Any]) -> Unfolding:
    """Replace a holder's recovery by our `on_failure` and `retry`."""
    problems: list[str] = []
    key = "on_failure"
    if "error_handler" in holder:
        if "on_failure" in holder:
            problems.append("on_failure and error_handler say the same: leave one out")
        key = "error_handler"
    given = holder.pop(key, None)
    if isinstance(given, str):
        given = {"strategy": given}
    if not isinstance(given, dict):
        if given is not None:
            problems.append("a strategy is expected: on_failure: {strategy: skip}")
        return Unfolding(key, "", [], problems)
    made: list[str] = []
    fields = {_KEYS.get(name, name): value for name, value in _flat(given).items()}
    fallback = fields.pop("fallback", "")
    if not isinstance(fallback, str):
        problems.append("a fallback is the id of a node")
        fallback = ""
    if fields.get("strategy") == RETRY:
        del fields["strategy"]
        if "retry" in holder:
            problems.append("how often to try again is said twice: leave out `retry`")
        holder["retry"] = _retry(fields)
        made.append("retry")
    if fields:
        holder["on_failure"] = fields
        made.append("on_failure")
    return Unfolding(key, fallback, made, problems)


def _flat(given: dict[str, Any]) -> dict[str, Any]:
    """Return a strategy's name and its parameters beside each other, the name as ours."""
    strategy = given.get("strategy")
    fields = dict(given)
    if isinstance(strategy, dict) and len(strategy) == 1:
        [(strategy, parameters)] = strategy.items()
        fields = {**fields, **(parameters if isinstance(parameters, dict) else {})}
    if isinstance(strategy, str):
        small = strategy.lower().replace("_", "").replace("-", "")
        fields["strategy"] = STRATEGIES.get(small, strategy)
    return fields


def _retry(fields: dict[str, Any]) -> dict[str, Any]:
    """Take the parameters of a retry out of the fields."""
    retry: dict[str, Any] = {name: fields.pop(name) for name in _RETRY_KEYS if name in fields}
    backoff = fields.pop("backoff", None)
    if isinstance(backoff, dict) and len(backoff) == 1:
        [(kind, value)] = backoff.items()
        if str(kind).lower() in {"fixed", "exponential"}:
            backoff = value
    if isinstance(backoff, dict):
        retry.update(
            {_BACKOFF_KEYS.get(str(name), str(name)): one for name, one in backoff.items()}
        )
    elif backoff is not None:
        retry.update(initial_delay=backoff, max_delay=backoff)
    return retry
