"""Faust agents and the transport that feeds the shards."""
