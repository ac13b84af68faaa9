"""Lexical analysis: words, parts of speech and names in one pass, by Baidu's LAC and by taggers of our own."""
