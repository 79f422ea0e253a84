"""Retraining: labelled history, whom to learn from, the gate, and what becomes of a challenger."""
