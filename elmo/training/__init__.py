"""Pretraining: one loop, an objective a file, checkpoints, processes that train together."""
