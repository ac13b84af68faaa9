"""Looking into trained models: senses, neighbours, word tests, plots."""
