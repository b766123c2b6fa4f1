"""What a reader is led through: flagged regions, queue, session, muscle table."""
