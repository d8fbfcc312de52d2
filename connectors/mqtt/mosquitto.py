"""How Mosquitto is started: the broker of choice where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.mqtt.broker import BrokerOptions

_SBIN = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"


def executable() -> str | None:
    """Return the path of mosquitto; distributions put it where users' PATH may not look."""
    return shutil.which("mosquitto", path=os.pathsep.join((os.environ.get("PATH", ""), _SBIN)))


def command(options: BrokerOptions, port: int) -> list[str]:
    """Write the configuration; return the command that runs the broker."""
    path = options.directory / "mosquitto.conf"
    path.write_text("\n".join(configuration(options, port)) + "\n", encoding="utf-8")
    return [executable() or "mosquitto", "-c", str(path)]


def configuration(options: BrokerOptions, port: int) -> list[str]:
    """Return the lines of `mosquitto.conf`."""
    anonymous = not options.username
    lines = [
        f"listener {port} 127.0.0.1",
        f"allow_anonymous {str(anonymous).lower()}",
        "persistence true",
        f"persistence_location {options.directory}/",
        # Mosquitto writes its store at this interval only: what a kill -9 may cost.
        "autosave_interval 1",
        f"max_inflight_messages {options.inflight_max}",
    ]
    if options.queue_max:
        lines.append(f"max_queued_messages {options.queue_max}")
    if os.geteuid() == 0:
        lines.append("user root")
    if not anonymous:
        lines.append(f"password_file {_password_file(options)}")
    if options.tls:
        lines += [
            f"cafile {options.tls.ca}",
            f"certfile {options.tls.certificate}",
            f"keyfile {options.tls.key}",
            "require_certificate true",
        ]
    return lines


def _password_file(options: BrokerOptions) -> Path:
    path = options.directory / "passwords"
    path.write_text(f"{options.username}:{options.password}\n", encoding="utf-8")
    path.chmod(0o600)
    tool = str(Path(executable() or "mosquitto").with_name("mosquitto_passwd"))
    program = tool if Path(tool).exists() else shutil.which("mosquitto_passwd") or tool
    # Its arguments are ours.
    subprocess.run([program, "-U", str(path)], check=True, timeout=30)  # noqa: S603
    return path
