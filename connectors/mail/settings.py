"""Settings of outgoing mail and of what it links to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class MailSettings(BaseSettings):
    """Which SMTP server takes our mail; environment variables `TIDEMILL_SMTP_…`."""

    model_config = SettingsConfigDict(env_prefix="TIDEMILL_SMTP_", extra="ignore")

    host: str = Field(default="127.0.0.1", description="SMTP server.")
    port: int = Field(default=25, ge=1, le=65_535, description="Its port: 25, 465 or 587.")
    encryption: Literal["none", "starttls", "tls"] = Field(
        default="none", description="starttls (port 587), tls (port 465), or none."
    )
    username: str = Field(default="", description="User name; empty: no login.")
    password: SecretStr = Field(default=SecretStr(""), description="Password of the user.")
    sender: str = Field(default="tidemill@localhost", description="Address in the From field.")
    timeout: float = Field(default=20.0, gt=0, description="Seconds for one mail.")
    connections_max: int = Field(default=8, ge=1, description="Mails sent at the same time.")


class ConsoleSettings(BaseSettings):
    """Where people look at instances; environment variable `TIDEMILL_CONSOLE_URL`."""

    model_config = SettingsConfigDict(env_prefix="TIDEMILL_", extra="ignore")

    console_url: str = Field(
        default="", description="Address of the console, for links to incidents; empty: none."
    )
