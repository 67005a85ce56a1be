"""Postgres, one module per noun."""
