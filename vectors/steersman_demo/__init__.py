"""The demo chat model: its corpus, its training, its judge, its vectors and the report on them.

Development only: nothing in the served product imports this package.
"""
