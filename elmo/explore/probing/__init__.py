"""What is in a model's vectors: linear probes with control tasks, and what its training text thought of people."""
