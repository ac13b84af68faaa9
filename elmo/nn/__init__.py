"""The building blocks of the models, a file an idea."""
