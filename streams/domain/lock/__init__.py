"""The user-level lock."""
