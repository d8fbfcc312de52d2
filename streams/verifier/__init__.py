"""The verifier: a process of its own that proves what was submitted before it is published."""
