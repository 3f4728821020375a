"""The runs of a study: where they are computed and kept."""
