"""device: see the README of the room."""
