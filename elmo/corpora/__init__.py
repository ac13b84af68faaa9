"""Public corpora: where they come from, which part is held out, and their formats."""
