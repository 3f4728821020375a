"""Claims that courses make about learning machines, each tested by measurement."""
