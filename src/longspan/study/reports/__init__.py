"""What follows from a study: advice, figures, its report."""
