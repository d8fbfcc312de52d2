"""The broker that tests and demo run on, of both kinds."""

import asyncio
import gc
import shutil
import sys
from pathlib import Path

import aiomqtt
import pytest
import trustme
from pydantic import SecretStr

from connectors.mqtt import artemis, mosquitto
from connectors.mqtt.broker import (
    BrokerError,
    BrokerOptions,
    MqttBroker,
    TlsFiles,
    answers,
    chosen_kind,
)
from connectors.mqtt.clients import passing_client, session_client, subscribe
from connectors.mqtt.settings import MqttSettings

KINDS = ["mosquitto", "artemis"]


@pytest.fixture(params=KINDS)
def kind(request):
    if request.param == "mosquitto" and mosquitto.executable() is None:
        pytest.skip("mosquitto is not installed")
    if request.param == "artemis" and shutil.which("java") is None:
        pytest.skip("java is not installed")
    return request.param


def echo(settings: MqttSettings) -> bytes:
    """Publish and receive one message through the broker."""

    async def main() -> bytes:
        taken: list[bytes] = []
        client = passing_client(settings, "echo", lambda message: taken.append(message.payload))
        await client.open()
        await subscribe(client, settings, ("echo/#",))
        await client.publish("echo/a", b"hello", 1)
        async with asyncio.timeout(10):
            while not taken:
                await asyncio.sleep(0.01)
        await client.close()
        return taken[0]

    return asyncio.run(main())


def test_sessions_and_retained_messages_outlive_stop_and_kill(tmp_path, kind):
    broker = MqttBroker(BrokerOptions(tmp_path, kind))
    broker.start()
    settings = MqttSettings(url=broker.url, client_id="keeper")

    async def leave_session() -> None:
        client = session_client(settings, lambda _message: None)
        await client.open()
        await subscribe(client, settings, ("kept/#",))
        await client.close()
        sender = passing_client(settings, "sender")
        await sender.open()
        for number in range(100):
            await sender.publish("kept/q", b"%d" % number, 1)
        await sender.publish("kept/r", b"retained", 1, retain=True)
        await sender.close()

    async def come_back() -> set[bytes]:
        taken: set[bytes] = set()
        client = session_client(settings, lambda message: taken.add(message.payload))
        await client.open()
        async with asyncio.timeout(10):
            while len(taken) < 101:
                await asyncio.sleep(0.01)
        await client.close()
        assert client.session_present
        return taken

    asyncio.run(leave_session())
    port = broker.port
    broker.restart()
    assert broker.port == port
    # Unacknowledged both times: the session still holds all of it after a kill.
    assert len(asyncio.run(come_back())) == 101
    asyncio.run(asyncio.sleep(1.5 if kind == "mosquitto" else 0))
    broker.kill()
    assert not answers(port)
    broker.start()
    assert b"retained" in asyncio.run(come_back())
    broker.stop()
    assert broker.pid == 0


def test_users_without_the_password_are_refused(tmp_path, kind):
    options = BrokerOptions(tmp_path, kind, username="bridge", password="pässword = 1")
    broker = MqttBroker(options)
    broker.start()
    right = MqttSettings(
        url=broker.url, username="bridge", password=SecretStr("pässword = 1"), qos_in=1
    )
    assert echo(right) == b"hello"
    for update in ({"password": SecretStr("no")}, {"username": "", "password": SecretStr("")}):
        with pytest.raises(aiomqtt.MqttError):
            echo(right.model_copy(update=update))
    broker.stop()


# paho leaves the socket of a failed handshake to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_with_client_certificates_lets_in_who_has_one_of_the_ca(tmp_path, kind):
    authority, stranger = trustme.CA(), trustme.CA()
    files = write_certificates(tmp_path / "pki", authority)
    broker = MqttBroker(BrokerOptions(tmp_path / "b", kind, tls=files))
    broker.start()
    settings = MqttSettings(
        url=broker.url, ca=files.ca, certificate=files.certificate, key=files.key
    )
    assert broker.url.startswith("mqtts://")
    assert echo(settings) == b"hello"
    wrong = write_certificates(tmp_path / "wrong", stranger)
    impostor = {"certificate": wrong.certificate, "key": wrong.key}
    for update in (impostor, {"certificate": None, "key": None}, {"ca": wrong.ca}):
        with pytest.raises((aiomqtt.MqttError, OSError)):
            echo(settings.model_copy(update=update | {"connect_timeout": 1.0}))
    broker.stop()
    gc.collect()


def test_a_broker_that_cannot_start_says_why(tmp_path, kind, monkeypatch):
    module = mosquitto if kind == "mosquitto" else artemis
    failing = [sys.executable, "-c", "raise SystemExit('no such luck')"]
    monkeypatch.setattr(module, "command", lambda _options, _port: failing)
    with pytest.raises(BrokerError, match=r"ended with code 1; its log ends:\nno such luck"):
        MqttBroker(BrokerOptions(tmp_path, kind)).start()


def test_mosquitto_is_chosen_where_it_is_installed(monkeypatch):
    assert chosen_kind("auto") == ("mosquitto" if mosquitto.executable() else "artemis")
    monkeypatch.setattr(mosquitto, "executable", lambda: None)
    assert chosen_kind("auto") == "artemis"
    with pytest.raises(BrokerError, match="not on the PATH"):
        chosen_kind("mosquitto")


def write_certificates(folder: Path, authority: trustme.CA) -> TlsFiles:
    """Write a certificate for 127.0.0.1 that serves broker and client alike."""
    folder.mkdir()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    files = TlsFiles(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    authority.cert_pem.write_to_path(str(files.ca))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(files.certificate), append=True)
    issued.private_key_pem.write_to_path(str(files.key))
    return files
