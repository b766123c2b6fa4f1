"""What Slicer needs first: packages, terminology, sample data."""
