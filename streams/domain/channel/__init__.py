"""channel: see the README of the room."""
