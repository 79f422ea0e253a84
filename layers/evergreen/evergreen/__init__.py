"""Churn prediction that keeps itself fresh.

The modules, from the bottom up; each imports only those above it:

    errors, settings, keys      what can go wrong, what can be set, where things lie
    features, schema            customers → one float32 matrix
    artifact, golden, model     the files of a version; rows that prove it; loading and predicting
    evaluation, drift           judging models, judging customers
    export, training            scikit-learn → ONNX; labelled customers → a model version
    s3, inference_log           the bucket, the record of every prediction
    registry, champion          published versions and the pointer; following it while serving
    prediction, scoring         one answer, one file of answers
    history, retraining         labelled history; deciding, training, comparing, promoting
"""
