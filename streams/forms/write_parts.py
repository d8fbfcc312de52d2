"""Parts of a definition that many kinds of nodes have, as they are written."""

from __future__ import annotations

from typing import Any

from streams.domain.net.model import Definition, Expression, Recovery, Retry, Scope


def given(**fields: Any) -> dict[str, Any]:
    """Keep the fields that say something."""
    return {k: v for k, v in fields.items() if v is not None and v not in ("", {}, [])}


def seconds(milliseconds: int) -> float | int | None:
    """Return seconds, whole where they are."""
    if not milliseconds:
        return None
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000


def retry(retry: Retry) -> dict[str, Any]:
    """Return `retry:`."""
    return {
        "max_attempts": retry.max_attempts,
        "initial_delay": retry.initial_delay_ms / 1000,
        "backoff_factor": retry.backoff_factor,
        "max_delay": retry.max_delay_ms / 1000,
    }


def recovery(recovery: Recovery | None) -> dict[str, Any] | None:
    """Return `on_failure:`."""
    if recovery is None:
        return None
    return {
        "strategy": recovery.strategy,
        **given(
            notification_recipients=recovery.notification_recipients,
            compensation_activity=recovery.compensation_activity,
        ),
    }


def variables(holder: Definition | Scope) -> dict[str, Any]:
    """Return `variables:`."""
    return {
        name: {
            "type": kind,
            **there(
                default=holder.defaults.get(name),
                schema=holder.schemas.get(name),
                merge=holder.merges.get(name),
            ),
        }
        for name, kind in holder.variables.items()
    }


def there(**fields: Any) -> dict[str, Any]:
    """Keep the fields that are there; an empty one says something too."""
    return {name: value for name, value in fields.items() if value is not None}


def sources(mapping: dict[str, Expression]) -> dict[str, Any]:
    """Return a mapping as the author wrote it."""
    return {name: value.source for name, value in mapping.items()}


def source(value: Expression | None) -> Any:
    """Return a value as the author wrote it."""
    return None if value is None else value.source
