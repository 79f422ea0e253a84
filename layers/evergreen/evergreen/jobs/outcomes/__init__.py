"""What became of customers: taken in, joined with the predictions, measured, handed on to learn."""
