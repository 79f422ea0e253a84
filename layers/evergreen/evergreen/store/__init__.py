"""The buckets, and the only place that talks to AWS.

Versions with the pointer to the one that serves, the inference log, locks, and every key.
"""
