"""The command line, one file a command: each adds its options to the parser, runs, and returns the exit code."""
