"""longspan."""
