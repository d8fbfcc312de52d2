"""Migrations of the read side's database, in order; shipped with the code that needs them."""
