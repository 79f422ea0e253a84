"""What a customer is: fields with a type and bounds, read into one float32 matrix.

Knows no model and no bucket; whatever reads customers, from HTTP or a file, reads them here.
"""
