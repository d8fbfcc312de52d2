"""Settings of the enterprise system; environment variables `TIDEMILL_ENTERPRISE_…`."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class EnterpriseSettings(BaseSettings):
    """Where the enterprise system's HTTP interface is."""

    model_config = SettingsConfigDict(env_prefix="TIDEMILL_ENTERPRISE_", extra="ignore")

    url: str = Field(
        default="http://127.0.0.1:8000", description="Base URL; operations are paths below it."
    )
    token: SecretStr = Field(default=SecretStr(""), description="Bearer token; empty: none.")
    timeout: float = Field(default=30.0, gt=0, description="Seconds for one request.")
    connections_max: int = Field(default=32, ge=1, description="Requests at the same time.")
