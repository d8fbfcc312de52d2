"""definition: see the README of the room."""
