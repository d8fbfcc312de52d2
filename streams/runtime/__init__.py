"""Shards and what makes them durable: the only code that knows transactions."""
