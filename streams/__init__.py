"""The engine: pure core, definition language, runtime, Faust agents."""
