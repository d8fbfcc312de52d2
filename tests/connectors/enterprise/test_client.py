"""The enterprise system's operations over real HTTP."""

import asyncio

import pytest
from aiohttp import web

from connectors.demo.request_server import RequestServer
from connectors.enterprise.actions import operate
from connectors.enterprise.client import EnterpriseClient, EnterpriseError
from connectors.enterprise.settings import EnterpriseSettings

PARAMETERS = {"device_id": "d1", "temperature": 31.5, "alert_level": "high"}
FIELDS = {
    "connector_type": "sap_connector",
    "operation": "create_maintenance_request",
    "parameter_mapping": PARAMETERS,
}


def test_a_maintenance_request_is_kept_with_its_parameters(tmp_path):
    async def main():
        async with (
            RequestServer(file=tmp_path / "requests.jsonl") as server,
            EnterpriseClient(EnterpriseSettings(url=server.url)) as client,
        ):
            result = await operate(FIELDS, "d1@a:5", client)
            assert result == {"request_id": "MR-000001", "status": "created"}
            assert server.requests["d1@a:5"].parameters == PARAMETERS
            assert (tmp_path / "requests.jsonl").read_text().count("MR-000001") == 1

    asyncio.run(main())


def test_a_repeated_attempt_gets_the_first_answer_and_makes_no_second_request():
    async def main():
        async with (
            RequestServer() as server,
            EnterpriseClient(EnterpriseSettings(url=server.url)) as client,
        ):
            results = await asyncio.gather(*(operate(FIELDS, "k", client) for _ in range(20)))
            assert {result["request_id"] for result in results} == {"MR-000001"}
            assert (len(server.requests), server.repetitions) == (1, 19)
            assert (await operate(FIELDS, "other", client))["request_id"] == "MR-000002"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(500, True), (503, True), (429, True), (408, True), (400, False), (404, False), (302, False)],
)
def test_the_status_decides_whether_another_attempt_makes_sense(status, retryable):
    async def answer(_request):
        return web.Response(status=status, text="because")

    async def main():
        app = web.Application()
        app.add_routes([web.post("/maintenance-requests", answer)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            async with EnterpriseClient(EnterpriseSettings(url=url)) as client:
                await operate(FIELDS, "k", client)
        finally:
            await runner.cleanup()

    with pytest.raises(EnterpriseError, match=f"answered {status}: because") as caught:
        asyncio.run(main())
    assert (caught.value.code, caught.value.retryable) == ("ExternalSystem", retryable)


def test_an_absent_system_is_tried_again():
    async def main():
        settings = EnterpriseSettings(url="http://127.0.0.1:1")
        async with EnterpriseClient(settings) as client:
            await operate(FIELDS, "k", client)

    with pytest.raises(EnterpriseError) as caught:
        asyncio.run(main())
    assert (caught.value.code, caught.value.retryable) == ("ConnectionError", True)


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        (FIELDS | {"connector_type": "fax"}, "Configuration", "fax"),
        (FIELDS | {"operation": "delete_all"}, "UnsupportedOperation", "delete_all"),
        (FIELDS | {"parameter_mapping": {}}, "MissingParameter", "device_id"),
        (FIELDS | {"parameter_mapping": [1]}, "InvalidInput", "parameter_mapping"),
    ],
)
def test_metadata_that_makes_no_operation_is_an_error_that_no_retry_mends(fields, code, words):
    async def main():
        async with EnterpriseClient(EnterpriseSettings()) as client:
            await operate(fields, "k", client)

    with pytest.raises(EnterpriseError, match=words) as caught:
        asyncio.run(main())
    assert (caught.value.code, caught.value.retryable) == (code, False)
