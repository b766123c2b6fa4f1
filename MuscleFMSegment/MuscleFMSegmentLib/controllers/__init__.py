"""What joins scene, panel and processes."""
