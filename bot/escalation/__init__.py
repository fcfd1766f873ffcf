"""Escalations: recorded before they are spoken of, shown to staff by urgency, chased until someone answers.

This room knows levels, owners and deadlines. It does not decide levels (``bot.triage``) and it speaks to
nobody: what must reach staff or a patient goes through the outbox (``bot.records.outbox``).
"""
