"""The search for the settings of one strategy, within a budget: trials, their file, their report."""
