"""Tables from files, data frames and arrays."""
