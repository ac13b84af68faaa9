"""The operating system kept at arm's length: files written whole, locks, signals, the terminal."""
