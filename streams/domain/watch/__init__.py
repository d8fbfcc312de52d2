"""watch: who waits for what of a device, as events; see the README of the room."""
