"""What a function calls: answer, score a file, check for drift, learn, measure.

Each job is given the buckets it works on; a handler only wires it and passes the event on.
"""
