"""The rows of appointments, on the records' shared metadata. It describes rows and opens nothing.

Double booking is impossible by constraint, on SQLite and PostgreSQL alike: a visit owns one row in
``appointment_cells`` for every five minutes it lasts, and (clinician, cell) is the primary key. So visits of
different lengths that overlap collide too, whatever the program does.
"""

from __future__ import annotations

import sqlalchemy as sa

from bot.records.tables import ID_CHARS, UtcDateTime, metadata

STATUSES = ("held", "booked", "cancelled", "expired")

appointments = sa.Table(
    "appointments",
    metadata,
    sa.Column("id", sa.String(ID_CHARS), primary_key=True),
    sa.Column("conversation", sa.String(ID_CHARS), nullable=False),
    sa.Column("department", sa.String(40), nullable=False),
    sa.Column("clinician", sa.String(40), nullable=False),
    sa.Column("starts_at", UtcDateTime, nullable=False),
    sa.Column("minutes", sa.Integer, nullable=False),
    sa.Column("status", sa.String(10), nullable=False),
    sa.Column("hold_expires_at", UtcDateTime, nullable=True),
    sa.Column("idempotency_key", sa.String(120), nullable=False),
    sa.Column("uid", sa.String(120), nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("lang", sa.String(16), nullable=False),
    sa.Column("token_hash", sa.String(64), nullable=False),
    sa.Column("token_enc", sa.LargeBinary, nullable=False),
    sa.Column("name_enc", sa.LargeBinary, nullable=True),
    sa.Column("reason_enc", sa.LargeBinary, nullable=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.CheckConstraint("status IN ('held', 'booked', 'cancelled', 'expired')", name="status"),
    sa.UniqueConstraint("conversation", "idempotency_key"),
    sa.UniqueConstraint("uid"),
    sa.UniqueConstraint("token_hash"),
    sa.Index(None, "conversation", "starts_at"),
    sa.Index(None, "status", "hold_expires_at"),
)

appointment_cells = sa.Table(
    "appointment_cells",
    metadata,
    sa.Column("clinician", sa.String(40), primary_key=True),
    sa.Column("cell", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column(
        "appointment_id",
        sa.String(ID_CHARS),
        sa.ForeignKey("appointments.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
)
