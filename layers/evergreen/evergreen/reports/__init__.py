"""Pages that people read: the drift report and the model card, from the documents that are stored.

Pure functions of JSON to one HTML file each, which needs no script and asks nobody for anything.
"""
