"""instance: see the README of the room."""
