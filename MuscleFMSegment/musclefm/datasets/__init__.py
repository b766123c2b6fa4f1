"""Labelled data sets that anyone can download: where they are, and how they become a data list."""
