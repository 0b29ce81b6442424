"""The benchmark suite behind `python -m benchmarks`.

command.py       the options
rows.py          what is measured: the table to read first
contestants.py   who is measured
plan.py          networks as plain data, so that all libraries build the same layers
task.py          what a contestant is asked to do; the batches
libraries/       how each library does it
worker.py        a contestant's process; prober.py: the process that measures the machine itself
turns.py         the parent's side of these processes
suite.py         a run: row after row
results.py       what was measured, its file, ratios
report.py        tables
"""
