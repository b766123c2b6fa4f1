"""The results folder: names, writing, reading, tables, provenance."""
