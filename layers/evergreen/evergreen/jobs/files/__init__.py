"""Uploads: a file of customers → the same file with answers, whole or in parts, and a call list."""
