"""Do the vectors of a word tell its senses apart? Marked sentences, forms of vectors, scores."""
