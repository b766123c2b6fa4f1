"""What a researcher calls, and what the command line calls: `import musclefm` names it."""
