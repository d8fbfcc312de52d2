"""`python -m schemas write`: write the Avro schema files from the message classes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from schemas.avro_schema import schema_of
from schemas.registry import MESSAGES, VERSIONS

FOLDER = Path(__file__).parent / "avro"


def schema_files() -> dict[str, str]:
    """Return the text of every present schema file by file name."""
    files = {}
    for body in MESSAGES:
        name = f"{body.__name__}.v{VERSIONS.get(body.__name__, 1)}.avsc"
        files[name] = json.dumps(schema_of(body), indent=2, ensure_ascii=False) + "\n"
    return files


def main(arguments: list[str]) -> int:
    """Write the files; released versions of former schemas are left alone."""
    if arguments != ["write"]:
        sys.stderr.write("usage: python -m schemas write\n")
        return 2
    for name, text in schema_files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
