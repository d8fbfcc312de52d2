"""Activities: functions that do the work, declared with a name and a queue."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar, get_type_hints

from pydantic import PydanticSchemaGenerationError, TypeAdapter

from connectors.workers.context import ActivityContext
from connectors.workers.errors import ActivityDefinitionError, NoActivitiesError
from topics.catalogue import DEFAULT_QUEUE, check_queue

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__tidemill_activity__"
_PLAIN = (Any, inspect.Parameter.empty, object)


@dataclass(frozen=True, slots=True)
class Activity:
    """A function under the name that definitions call it by."""

    name: str
    queue: str
    function: Callable[..., Any]
    is_async: bool
    takes_input: str
    """Name of the parameter for the input; empty where there is none."""
    takes_context: str
    reads: TypeAdapter[Any] | None
    """Checks the input's type; None where any JSON value will do."""
    writes: TypeAdapter[Any] | None
    waits: bool = False
    """Only waits, and so takes no place among those that run at the same time."""

    def arguments(self, value: Any, context: ActivityContext) -> dict[str, Any]:
        """Return the call's arguments; pydantic's `ValidationError` where the input is wrong."""
        found: dict[str, Any] = {}
        if self.takes_input:
            found[self.takes_input] = (
                value if self.reads is None else self.reads.validate_python(value)
            )
        if self.takes_context:
            found[self.takes_context] = context
        return found

    def output(self, value: Any) -> Any:
        """Return the result as JSON; `PydanticSerializationError` where its type is wrong."""
        if self.writes is None:
            return value
        return self.writes.dump_python(value, mode="json", warnings="error")


def activity(name: str, *, queue: str = DEFAULT_QUEUE, waits: bool = False) -> Callable[[F], F]:
    """Declare a sync or async function as an activity.

    The function takes at most one input, of any type that pydantic reads (a model, a
    dataclass, a dict, a number), and at most one `ActivityContext`. Sync functions run in
    threads, async ones on one event loop. An async one that only `waits` takes no place among
    those that run at the same time.

    Raises:
        ActivityDefinitionError: the function's parameters fit no activity.
    """

    def declare(function: F) -> F:
        setattr(function, _MARK, activity_of(function, name, queue, waits=waits))
        return function

    return declare


def activity_of(
    function: Callable[..., Any], name: str, queue: str = DEFAULT_QUEUE, *, waits: bool = False
) -> Activity:
    """Return the activity that a function is under this name."""
    if waits and not inspect.iscoroutinefunction(function):
        text = f"activity {name!r}: only an async function can wait without a thread"
        raise ActivityDefinitionError(text)
    try:
        check_queue(queue)
        hints = get_type_hints(function)
    except (ValueError, NameError) as error:
        raise ActivityDefinitionError(f"activity {name!r}: {error}") from None
    takes_input, takes_context = _parameters(function, name, hints)
    return Activity(
        name,
        queue,
        function,
        inspect.iscoroutinefunction(function),
        takes_input,
        takes_context,
        _adapter(name, hints.get(takes_input, Any)),
        _adapter(name, hints.get("return", Any)),
        waits,
    )


def _parameters(function: Callable[..., Any], name: str, hints: dict[str, Any]) -> tuple[str, str]:
    """Return the names of the input's and of the context's parameter."""
    inputs: list[inspect.Parameter] = []
    contexts: list[inspect.Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            continue
        is_context = hints.get(parameter.name) is ActivityContext
        (contexts if is_context else inputs).append(parameter)
    needed = [parameter for parameter in inputs if parameter.default is parameter.empty]
    if len(needed) > 1 or len(contexts) > 1:
        raise ActivityDefinitionError(
            f"activity {name!r}: a function takes at most one input and one ActivityContext, this "
            f"one takes {len(needed)} and {len(contexts)}; take a model or a dict with all fields"
        )
    chosen = (needed or inputs)[:1]
    return (chosen[0].name if chosen else ""), (contexts[0].name if contexts else "")


def _adapter(name: str, hint: Any) -> TypeAdapter[Any] | None:
    if hint in _PLAIN:
        return None
    try:
        return TypeAdapter(hint)
    except PydanticSchemaGenerationError:
        raise ActivityDefinitionError(
            f"activity {name!r}: {hint!r} cannot be made of JSON; take a pydantic model, a "
            "dataclass, a TypedDict, a dict, a list or a plain value"
        ) from None


def activities_in(module: ModuleType) -> list[Activity]:
    """Return every activity that a module declares or imports.

    Raises:
        NoActivitiesError: there is none.
        ActivityDefinitionError: two functions have the same queue and name.
    """
    marked = [getattr(value, _MARK, None) for value in vars(module).values()]
    found = [item for item in marked if isinstance(item, Activity)]
    if not found:
        raise NoActivitiesError(
            f"{module.__name__} declares no activity: mark a function with @activity('name')"
        )
    return list(by_place(found).values())


def by_place(found: Iterable[Activity]) -> dict[tuple[str, str], Activity]:
    """Return activities by queue and name; `ActivityDefinitionError` where two share a place."""
    places: dict[tuple[str, str], Activity] = {}
    for item in found:
        former = places.setdefault((item.queue, item.name), item)
        if former.function is not item.function:
            raise ActivityDefinitionError(
                f"two functions are activity {item.name!r} on queue {item.queue!r}"
            )
    return places
