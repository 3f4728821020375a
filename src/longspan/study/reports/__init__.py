"""What a study says: advice, figures, its report."""
