"""A small enterprise system: it keeps maintenance requests, each key once."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from aiohttp import web

from schemas.json_text import JsonError, canonical, parse_object

PATH: Final = "/maintenance-requests"
_KEY_HEADER: Final = "Idempotency-Key"


class MaintenanceRequest(NamedTuple):
    """One request as it was accepted."""

    request_id: str
    key: str
    parameters: dict[str, Any]


class RequestServer:
    """Serves 127.0.0.1 while entered; a repeated key gets the first answer again."""

    def __init__(self, port: int = 0, file: Path | None = None) -> None:
        """Take the port (0: a free one) and where to write requests as JSON lines."""
        self.requests: dict[str, MaintenanceRequest] = {}
        self.repetitions = 0
        """Requests that came again with a known key."""
        self.port = port
        self._file = file
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Return the base URL."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes([web.post(PATH, self._create), web.get(PATH, self._list)])
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _create(self, request: web.Request) -> web.Response:
        key = request.headers.get(_KEY_HEADER, "")
        if not key:
            return _json({"error": f"the header {_KEY_HEADER} is missing"}, 400)
        known = self.requests.get(key)
        if known is not None:
            self.repetitions += 1
            return _json({"request_id": known.request_id, "status": "created"}, 200)
        try:
            parameters = parse_object(await request.read())
        except JsonError as error:
            return _json({"error": str(error)}, 400)
        # No await from here on: two requests with one key cannot both be new.
        known = self.requests.get(key)
        if known is None:
            known = self._keep(key, parameters)
        return _json({"request_id": known.request_id, "status": "created"}, 201)

    def _keep(self, key: str, parameters: dict[str, Any]) -> MaintenanceRequest:
        kept = MaintenanceRequest(f"MR-{len(self.requests) + 1:06d}", key, parameters)
        self.requests[key] = kept
        if self._file is not None:
            with self._file.open("ab") as file:
                file.write(canonical(kept._asdict()) + b"\n")
        return kept

    async def _list(self, _request: web.Request) -> web.Response:
        return _json([kept._asdict() for kept in self.requests.values()], 200)


def _json(value: object, status: int) -> web.Response:
    return web.Response(body=canonical(value), status=status, content_type="application/json")
