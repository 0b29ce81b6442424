"""The command line, one file per command. Each adds its options to the parser, runs, and returns the exit code."""
