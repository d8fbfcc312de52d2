"""How Apache Artemis is started as an MQTT broker, from jars that Maven brings."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from topics.java import KafkaMissingError, java
from topics.kafka_jars import cache_dir

if TYPE_CHECKING:
    from connectors.mqtt.broker import BrokerOptions

VERSION: Final = "2.44.0"
_ARTIFACTS: Final = (
    ("org.apache.activemq", "artemis-mqtt-protocol", VERSION),
    ("org.slf4j", "slf4j-simple", "2.0.17"),
)
_MAIN: Final = "org.apache.activemq.artemis.core.server.embedded.Main"
_HEAP_MB: Final = 256
_JARS_SECONDS: Final = 600


def command(options: BrokerOptions, port: int) -> list[str]:
    """Write the configuration; return the command that runs the broker."""
    directory = options.directory.resolve()
    (directory / "etc").mkdir(exist_ok=True)
    (directory / "etc" / "broker.xml").write_text(configuration(options, port), encoding="utf-8")
    login = _write_login(options, directory / "etc")
    return [
        java(),
        f"-Xmx{_HEAP_MB}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",  # For minutes of life the second compiler costs too much.
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        f"-Djava.security.auth.login.config={login}",
        "-cp",
        f"{jars()}/*",
        _MAIN,
        str(directory),
    ]


def configuration(options: BrokerOptions, port: int) -> str:
    """Return `broker.xml`."""
    data = escape(str(options.directory.resolve() / "data"))
    secured = str(bool(options.username)).lower()
    acceptor = escape(f"tcp://127.0.0.1:{port}?{_acceptor(options)}")
    # The journal is not synced on every message: the page cache outlives a killed process,
    # and a broker for tests and demos need not outlive the machine.
    return f"""<configuration xmlns="urn:activemq"><core xmlns="urn:activemq:core">
  <name>tidemill-mqtt</name>
  <persistence-enabled>true</persistence-enabled>
  <journal-type>NIO</journal-type>
  <journal-sync-transactional>false</journal-sync-transactional>
  <journal-sync-non-transactional>false</journal-sync-non-transactional>
  <journal-datasync>false</journal-datasync>
  <paging-directory>{data}/paging</paging-directory>
  <bindings-directory>{data}/bindings</bindings-directory>
  <journal-directory>{data}/journal</journal-directory>
  <large-messages-directory>{data}/large</large-messages-directory>
  <security-enabled>{secured}</security-enabled>
  <acceptors><acceptor name="mqtt">{acceptor}</acceptor></acceptors>
  <security-settings><security-setting match="#">
    {_permissions()}
  </security-setting></security-settings>
  <address-settings><address-setting match="#">{_address()}</address-setting></address-settings>
</core></configuration>
"""


def jars() -> Path:
    """Return the folder of Artemis' jars, fetched by Maven where they are missing.

    Raises:
        KafkaMissingError: there is no Maven, or it fails; the message says what to do.
    """
    folder = cache_dir().parent / f"artemis-{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".complete").exists():
            _fetch(folder)
            (folder / ".complete").touch()
    return folder / "jars"


def _fetch(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaMissingError(
            "an MQTT broker is needed and neither mosquitto nor Maven, which would bring one, is "
            "installed: `apt-get install mosquitto`, or `apt-get install maven`"
        )
    pom = folder / "pom.xml"
    pom.write_text(_pom(), encoding="utf-8")
    goal = "dependency:copy-dependencies"
    command = [maven, "-q", "-B", "-f", str(pom), goal, f"-DoutputDirectory={folder / 'jars'}"]
    done = subprocess.run(  # noqa: S603 - our own words
        command, capture_output=True, text=True, timeout=_JARS_SECONDS, check=False
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise KafkaMissingError(f"Maven could not fetch Artemis' jars:\n{tail}")


def _pom() -> str:
    dependencies = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
        f"<version>{version}</version></dependency>"
        for group, artifact, version in _ARTIFACTS
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>tidemill</groupId><artifactId>mqtt-broker</artifactId><version>1</version>"
        f"<dependencies>{dependencies}</dependencies></project>"
    )


def _acceptor(options: BrokerOptions) -> str:
    parts = ["protocols=MQTT", "securityDomain=Clients"]
    if options.tls:
        bundle = options.directory.resolve() / "etc" / "server.pem"
        bundle.write_bytes(options.tls.certificate.read_bytes() + options.tls.key.read_bytes())
        bundle.chmod(0o600)
        parts += [
            "sslEnabled=true",
            f"keyStorePath={bundle}",
            "keyStoreType=PEM",
            f"trustStorePath={options.tls.ca}",
            "trustStoreType=PEMCA",
            "needClientAuth=true",
        ]
    return ";".join(parts)


def _address() -> str:
    names = ("create-queues", "create-addresses", "delete-queues", "delete-addresses")
    lines = [f"<auto-{name}>true</auto-{name}>" for name in names]
    # No limit per topic: past half of the heap, queues page to disk. And no limit of
    # deliveries: after ten, the default, a message would be thrown away.
    lines += ["<max-size-bytes>-1</max-size-bytes>"]
    lines += ["<max-delivery-attempts>-1</max-delivery-attempts>"]
    return "".join(lines)


def _permissions() -> str:
    actions = (
        "createNonDurableQueue",
        "deleteNonDurableQueue",
        "createDurableQueue",
        "deleteDurableQueue",
        "createAddress",
        "deleteAddress",
        "consume",
        "browse",
        "send",
    )
    return "".join(f'<permission type="{action}" roles="users"/>' for action in actions)


def _write_login(options: BrokerOptions, folder: Path) -> Path:
    path = folder / "login.config"
    module = "org.apache.activemq.artemis.spi.core.security.jaas.PropertiesLoginModule"
    path.write_text(
        f"Clients {{ {module} required reload=false\n"
        '  org.apache.activemq.jaas.properties.user="users.properties"\n'
        '  org.apache.activemq.jaas.properties.role="roles.properties"; };\n',
        encoding="utf-8",
    )
    users, roles = folder / "users.properties", folder / "roles.properties"
    user, password = _property(options.username), _property(options.password)
    users.write_text(f"{user}={password}\n" if user else "", encoding="ascii")
    users.chmod(0o600)
    roles.write_text(f"users={user}\n" if user else "", encoding="ascii")
    return path


def _property(text: str) -> str:
    """Escape for a Java properties file, which is Latin-1 with escapes."""
    return "".join(c if c.isascii() and c.isalnum() else f"\\u{ord(c):04x}" for c in text)
