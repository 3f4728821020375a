"""What protects a training: checks of steps, fallback, memory, Ctrl-C."""
