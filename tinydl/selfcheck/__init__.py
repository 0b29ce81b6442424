"""The library's proof of itself: what is checked (cases), at random (random_cases), and the mutants that must be caught
(mutants).
"""
