"""The workflow net: nodes, flows, tokens."""
