"""Stopping what is under way: under one token, in a scope, or in the whole instance."""

from __future__ import annotations

from schemas.approval_events import ApprovalCancelled
from schemas.commands import CancelInstance
from schemas.events import ActivityCancelled
from streams.domain.instance.places import SCOPE, scope_of
from streams.domain.instance.work import Work


def stop_scope(work: Work, scope: int, reason: str) -> list[int]:
    """Stop everything inside a running scope, or with `ROOT` in the instance.

    Returns the tokens that the event to come has to consume.
    """
    return _stop(work, _tokens_in(work, scope), reason)


def stop_token(work: Work, token: int, reason: str) -> list[int]:
    """Stop what a token waits for, the scope included that runs at it; return the tokens."""
    tokens = [token] if token in work.state.tokens else []
    inside = {key for key, scope in work.state.scopes.items() if scope.token == token}
    if inside:
        tokens.extend(_tokens_within(work, inside))
    return _stop(work, tokens, reason)


def _tokens_in(work: Work, scope: int) -> list[int]:
    """Return the tokens in a scope and in those that run inside it."""
    state = work.state
    if not scope:
        return list(state.tokens)
    return _tokens_within(work, {scope})


def _tokens_within(work: Work, inner: set[int]) -> list[int]:
    """Return the tokens in some running scopes, which may be added to, and in those inside."""
    state = work.state
    # A scope inside began after the one around it, so that its key is greater.
    for key in sorted(state.scopes):
        if scope_of(state.tokens.get(state.scopes[key].token, "")) in inner:
            inner.add(key)
    return [
        token
        for token, place in state.tokens.items()
        if SCOPE in place and scope_of(place) in inner
    ]


def stop_work(work: Work, reason: str) -> list[int]:
    """Stop every activity, but no child; return all tokens."""
    _stop_activities(work, frozenset(work.state.tokens), reason)
    return list(work.state.tokens)


def _stop(work: Work, tokens: list[int], reason: str) -> list[int]:
    gone = frozenset(tokens)
    _stop_activities(work, gone, reason)
    for call in work.state.children():
        if call.token in gone:
            work.send(call.child_id, "", CancelInstance(reason))
    return tokens


def _stop_activities(work: Work, gone: frozenset[int], reason: str) -> None:
    for key, activity in list(work.state.activities.items()):
        if activity.token in gone:
            if not activity.retry_at:
                work.cancel_task(key, activity.attempt, reason)
            work.emit(ActivityCancelled(key, activity.node, reason))
    cancel_approvals(work, reason, gone)


def cancel_approvals(work: Work, reason: str, gone: frozenset[int] | None = None) -> None:
    """Say of the approvals of some tokens, or of all, that no decision is wanted any more."""
    for key, approval in list(work.state.approvals.items()):
        if gone is None or approval.token in gone:
            work.emit(ApprovalCancelled(key, approval.node, reason))


def clean_up(work: Work, reason: str) -> None:
    """Cancel open activities, approvals and children; their tokens end with the instance."""
    for key, activity in work.state.activities.items():
        if not activity.retry_at:
            work.cancel_task(key, activity.attempt, reason)
    for call in work.state.children():
        work.send(call.child_id, "", CancelInstance(reason))
    cancel_approvals(work, reason)
