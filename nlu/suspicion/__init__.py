"""The second reader's model: how likely a message tells of danger, and of which kind.

It finds paraphrases that the lexicon does not know. It knows texts and scores; what follows from a score is decided in
:mod:`bot.triage.suspicion`, and never lowers what the rules said. Reading needs numpy; training also scikit-learn.
"""
