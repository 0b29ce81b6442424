"""The command line, one file per command: each adds its options to the parser, runs, and returns the exit code."""
