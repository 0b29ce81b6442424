"""The benchmark suite behind `python -m benchmarks`.

command.py       the options
rows.py          what is measured, and why rows are lost: the table to read first
contestants.py   who is measured
plan.py          networks as plain data, so that all libraries build the same layers
task.py          what a contestant is asked to do; the batches
libraries/       how each library does it; probes.py: the speed of the machine itself
worker.py        a contestant's process; prober.py: the process of the probes
turns.py         the parent's side of these processes
suite.py         a run: row after row; header.py: the machine and the settings
results.py       what was measured, its file, ratios
report.py        tables; scaling.py: curves; pictures.py; page.py: pages of docs/
compare.py       is a run slower than an earlier one?
"""
