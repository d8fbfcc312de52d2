"""The read side: exact, rebuildable views of the events."""
