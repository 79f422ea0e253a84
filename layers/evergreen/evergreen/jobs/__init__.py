"""What a function calls: predict, score a file, check for drift, retrain.

Each job is given the buckets it works on; a handler only wires it and passes the event on.
"""
