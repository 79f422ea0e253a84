"""A model version: the files it is made of, how it is trained and exported, how it answers.

Knows no bucket: a version is bytes by name. What serves never imports what trains.
"""
