"""Pure numbers: judging models by what really happened, judging whether customers have changed.

Arrays in, figures out; each method names its source.
"""
