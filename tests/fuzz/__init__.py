"""A fuzzer of structures: files written from each format's grammar, in search of the largest cost for their bytes."""
