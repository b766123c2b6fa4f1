"""Architectures and their layers."""
