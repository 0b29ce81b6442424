"""Layers, losses and networks in each dialect: right ones pass as they stand, and planted mistakes are found."""
