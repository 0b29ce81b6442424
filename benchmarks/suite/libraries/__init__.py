"""One file per library: how it trains, predicts, and computes a single layer. Imported only in contestants' processes.

Each file has functions named as the works of `Task` that return a `Built`. Their options choose a variant.
"""
