"""expressions: see the README of the room."""
