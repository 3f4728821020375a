"""Networks that read images, one paper per file."""
