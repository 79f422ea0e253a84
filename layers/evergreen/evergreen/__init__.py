"""Churn prediction that keeps itself fresh.

The modules, from the bottom up; each imports only modules named before it:

    errors, settings, keys        what can go wrong, what can be set, where things lie
    features, schema, table       customers → one float32 matrix; what a CSV must have
    artifact, golden, model       the files of a version; rows that prove it; loading and predicting
    evaluation, drift             judging models, judging customers
    export, training              scikit-learn → ONNX; labelled customers → the files of a version
    s3, lock, inference_log       the bucket, one job at a time, the record of every prediction
    registry, champion            versions and the pointer to the best; following it while serving
    prediction, scoring           one answer, one file of answers
    monitoring                    the inference log against the champion's baseline
    history, retraining           labelled history; deciding, training, comparing, promoting
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when onnxruntime is imported, which then reports
