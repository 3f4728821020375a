"""Which rows train, validate and test, and the vault that holds the test rows."""
