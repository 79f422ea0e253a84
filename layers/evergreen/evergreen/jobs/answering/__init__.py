"""A request: the model that answers, the answer and its reasons, and what the log keeps of it."""
