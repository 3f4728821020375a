"""What a learner shows people: its report and its figures."""
