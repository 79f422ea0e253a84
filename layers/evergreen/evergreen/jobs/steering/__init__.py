"""What a person does by hand: look at versions, replay the log."""
