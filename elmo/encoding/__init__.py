"""Vectors in context: of words and texts, in memory, on disk, and for the networks of tasks."""
