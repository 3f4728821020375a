"""The mathematics of studies: curves, intervals, crossovers."""
