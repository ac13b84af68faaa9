"""A model made of one that is there: it learns on from raw text of a domain, or grows."""
