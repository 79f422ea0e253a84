"""The drift check: the log's customers, those of the baseline, and the report on both."""
