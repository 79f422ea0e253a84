"""The `evergreen` command: what a person sees of a deployment, and decides over its head.

The same jobs as the functions', against AWS or LocalStack, whichever AWS_ENDPOINT_URL says.
"""
