"""Workers: activities in Python."""
