"""The enterprise system's operations over HTTP, each safe to repeat.

Every request carries its task id as `Idempotency-Key`: a system that keeps it answers a
repeated request with the first one's result and does nothing twice.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import aiohttp

from connectors.enterprise.settings import EnterpriseSettings
from schemas.json_text import JsonError, canonical, parse_object

_TRY_AGAIN: Final = frozenset({408, 425, 429})


class EnterpriseError(RuntimeError):
    """The enterprise system did not do what was asked."""

    def __init__(self, code: str, message: str, *, retryable: bool) -> None:
        """Take a code of the error catalogue, a sentence, and whether to try again."""
        super().__init__(message)
        self.code = code
        self.retryable = retryable


class Operation(NamedTuple):
    """One thing that the system can do."""

    path: str
    required: tuple[str, ...]


OPERATIONS: Final = {
    "create_maintenance_request": Operation("/maintenance-requests", ("device_id",)),
}
"""Operations by name."""


class EnterpriseClient:
    """One pool of connections to one system; `async with` opens and closes it."""

    def __init__(self, settings: EnterpriseSettings) -> None:
        """Take the settings."""
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        token = self._settings.token.get_secret_value()
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=aiohttp.ClientTimeout(total=self._settings.timeout),
            connector=aiohttp.TCPConnector(limit=self._settings.connections_max),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, name: str, parameters: dict[str, Any], key: str) -> dict[str, Any]:
        """Do an operation and return the system's answer.

        Raises:
            EnterpriseError: `UnsupportedOperation`, `MissingParameter`, `ConnectionError`, or
                `ExternalSystem` with the system's own words.
        """
        operation = _checked(name, parameters)
        assert self._session is not None
        url = self._settings.url.rstrip("/") + operation.path
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        try:
            async with self._session.post(
                url, data=canonical(parameters), headers=headers
            ) as response:
                return _answer(url, response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            text = f"POST {url}: {error or type(error).__name__}"
            raise EnterpriseError("ConnectionError", text, retryable=True) from error


def _checked(name: str, parameters: dict[str, Any]) -> Operation:
    operation = OPERATIONS.get(name)
    if operation is None:
        known = ", ".join(sorted(OPERATIONS))
        text = f"operation {name!r} does not exist; there are: {known}"
        raise EnterpriseError("UnsupportedOperation", text, retryable=False)
    for parameter in operation.required:
        if parameters.get(parameter) in (None, ""):
            text = f"{name} needs the parameter {parameter!r}"
            raise EnterpriseError("MissingParameter", text, retryable=False)
    return operation


def _answer(url: str, status: int, body: bytes) -> dict[str, Any]:
    if status >= 300:
        text = body[:500].decode(errors="replace").strip()
        retryable = status >= 500 or status in _TRY_AGAIN
        raise EnterpriseError(
            "ExternalSystem", f"POST {url} was answered {status}: {text}", retryable=retryable
        )
    try:
        return parse_object(body)
    except JsonError as error:
        raise EnterpriseError(
            "ExternalSystem", f"POST {url} was answered with {error}", retryable=False
        ) from error
