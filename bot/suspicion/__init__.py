"""The semantic second reader at work: its training from our own sentences, its model file, its place beside the rules.

:mod:`nlu.suspicion` is the model, :mod:`bot.triage.suspicion` the decision; here the two meet.
"""
