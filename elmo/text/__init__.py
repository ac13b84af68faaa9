"""From documents to ids: sentences, segmenters, vocabulary, shards, batches."""
