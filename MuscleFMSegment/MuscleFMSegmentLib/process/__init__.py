"""The library in a child process, and its progress."""
