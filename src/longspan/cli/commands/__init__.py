"""The commands: each file declares the options of one and hands them to the rest of `longspan.cli`."""
