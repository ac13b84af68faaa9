"""A biLM on a web page: what `elmo export --to web` writes, and the JavaScript that reads it (in `static/`)."""
