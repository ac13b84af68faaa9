"""A model of a domain: one that is there learns on, from raw text of that domain."""
