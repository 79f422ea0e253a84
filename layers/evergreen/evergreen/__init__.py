"""Churn prediction that keeps itself fresh.

The wings, from the bottom up; each imports only what lies below it:

    errors, settings  what can go wrong; what can be set
    customers         what a customer is: a row of a table, read by a schema into numbers
    statistics        pure numbers: how good a model is, whether customers have changed
    models            a version: its files, its training, its export, its answers
    reports           what people read: the drift report and the model card, as pages
    store             the buckets: versions and their pointer, the inference log, locks, keys
    jobs              what a function calls: predict, score, check for drift, retrain
    cli               the `evergreen` command
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when onnxruntime is imported, which then reports
