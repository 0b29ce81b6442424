"""The corpus of strangers' code: layers, losses and networks written by hand in the manners of textbooks, courses and students."""
