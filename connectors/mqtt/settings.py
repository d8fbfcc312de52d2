"""Settings of the MQTT connection and of the bridge; environment variables `TIDEMILL_…`."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from topics.settings import KafkaSettings

_PORTS = {"mqtt": 1883, "mqtts": 8883}


class InvalidCredentialsError(ValueError):
    """The credentials have a form that an MQTT broker does not take."""

    code = "InvalidCredentials"


class Address(NamedTuple):
    """Where the MQTT broker is."""

    host: str
    port: int
    tls: bool


class MqttSettings(BaseSettings):
    """How to reach the MQTT broker; variables `TIDEMILL_MQTT_…`."""

    model_config = SettingsConfigDict(env_prefix="TIDEMILL_MQTT_", extra="ignore")

    url: str = Field(
        default="mqtt://127.0.0.1:1883",
        description="mqtt://host[:1883], or mqtts://host[:8883] for TLS.",
    )
    version: Literal["5", "3.1.1"] = Field(default="5", description="MQTT version to speak.")
    client_id: str = Field(
        default="tidemill-bridge",
        min_length=1,
        description="Stable name of the bridge's session: the broker keeps messages under it.",
    )
    username: str = Field(default="", description="User name; needs a password.")
    password: SecretStr = Field(default=SecretStr(""), description="Password of the user.")
    certificate: Path | None = Field(default=None, description="Client certificate, PEM.")
    key: Path | None = Field(default=None, description="Key of the client certificate, PEM.")
    ca: Path | None = Field(
        default=None, description="CA of the broker's certificate, PEM; empty: the system's."
    )
    prefix: str = Field(default="tidemill", description="First level(s) of all MQTT topics.")
    qos_in: int = Field(
        ge=0, le=1, default=1, description="QoS of subscriptions; with 0 readings can be lost."
    )
    qos_out: int = Field(
        ge=0, le=1, default=1, description="QoS of commands and queries; with 0 they can be lost."
    )
    keep_alive: int = Field(default=30, ge=1, description="Seconds between signs of life.")
    persistent_session: bool = Field(
        default=True, description="The broker keeps messages while the bridge is away."
    )
    session_expiry: int = Field(
        default=7 * 86_400, ge=0, description="Seconds for which it does (MQTT 5)."
    )
    receive_maximum: int = Field(
        default=500,
        ge=1,
        le=65_535,
        description="Messages taken from the broker that Kafka has not acknowledged yet. All of "
        "them may come again after a kill, and a device's shard knows its last 1,024 readings: "
        "above 500, readings of one busy device may count twice.",
    )
    payload_bytes_max: int = Field(
        default=256 * 1024, ge=1, description="Larger payloads become dead letters."
    )
    in_flight_bytes_max: int = Field(
        default=64 << 20, ge=1, description="Payload bytes held before reading pauses."
    )
    connect_timeout: float = Field(
        default=10.0, gt=0, description="Seconds for CONNECT, SUBSCRIBE."
    )
    backoff_max: float = Field(
        default=15.0, gt=0, description="Longest pause between attempts to connect, in seconds."
    )
    query_timeout: float = Field(
        default=10.0, gt=0, description="Seconds that a device has to answer a state query."
    )

    def address(self) -> Address:
        """Return host, port and whether to use TLS.

        Raises:
            InvalidCredentialsError: the URL has another scheme, or carries credentials.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise InvalidCredentialsError(
                f"the MQTT URL {self.url!r} is not of the form mqtt://host[:port] or "
                "mqtts://host[:port]; set TIDEMILL_MQTT_URL"
            )
        if parts.username or parts.password:
            raise InvalidCredentialsError(
                "the MQTT URL carries a user; set TIDEMILL_MQTT_USERNAME and "
                "TIDEMILL_MQTT_PASSWORD instead, so that it is not logged"
            )
        tls = parts.scheme == "mqtts"
        return Address(parts.hostname, parts.port or _PORTS[parts.scheme], tls)

    def check_credentials(self) -> None:
        """Raise `InvalidCredentialsError` where the credentials are not whole."""
        if bool(self.username) != bool(self.password.get_secret_value()):
            raise InvalidCredentialsError("an MQTT user needs both a name and a password")
        if bool(self.certificate) != bool(self.key):
            raise InvalidCredentialsError("an MQTT client certificate needs its key, and a key it")
        if (self.certificate or self.ca) and not self.address().tls:
            raise InvalidCredentialsError(
                f"certificates are given, but {self.url!r} is not TLS; use mqtts://"
            )

    def tls_context(self) -> ssl.SSLContext | None:
        """Return the TLS context, or None where the URL asks for none."""
        self.check_credentials()
        if not self.address().tls:
            return None
        try:
            context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
            if self.certificate and self.key:
                context.load_cert_chain(str(self.certificate), str(self.key))
        except OSError as error:
            files = f"{self.ca}, {self.certificate}, {self.key}"
            raise InvalidCredentialsError(f"cannot load {files}: {error}") from error
        return context


class BridgeSettings(KafkaSettings):
    """How the bridge runs; what it shares with others stands in `KafkaSettings`."""

    mqtt: MqttSettings = Field(default_factory=MqttSettings, description="The MQTT connection.")
    bridge_group: str = Field(
        default="tidemill-bridge", description="Consumer group of the commands to devices."
    )
    bridge_linger_ms: float = Field(
        default=5.0, ge=0, description="How long readings are gathered for one Kafka request."
    )
    bridge_stop_timeout: float = Field(
        default=10.0, ge=0, description="Seconds to let Kafka acknowledge what is in flight."
    )
    bridge_metrics_port: int = Field(default=0, description="Port of /metrics; 0: none.")
