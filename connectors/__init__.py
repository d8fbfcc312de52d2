"""Everything that touches the outside: workers, devices, mail, HTTP, the CLI, the API."""
