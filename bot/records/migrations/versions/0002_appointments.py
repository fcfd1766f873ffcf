"""Appointments and the five-minute cells that make double booking impossible.

Revision ID: 0002_appointments
"""

import sqlalchemy as sa
from alembic import op

revision = "0002_appointments"
down_revision = "0001_records"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables of the appointments."""
    op.create_table(
        "appointments",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("conversation", sa.String(length=64), nullable=False),
        sa.Column("department", sa.String(length=40), nullable=False),
        sa.Column("clinician", sa.String(length=40), nullable=False),
        sa.Column("starts_at", TIME, nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("hold_expires_at", TIME, nullable=True),
        sa.Column("idempotency_key", sa.String(length=120), nullable=False),
        sa.Column("uid", sa.String(length=120), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("lang", sa.String(length=16), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("token_enc", sa.LargeBinary(), nullable=False),
        sa.Column("name_enc", sa.LargeBinary(), nullable=True),
        sa.Column("reason_enc", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint(
            "status IN ('held', 'booked', 'cancelled', 'expired')", name=op.f("ck_appointments_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointments")),
        sa.UniqueConstraint(
            "conversation", "idempotency_key", name=op.f("uq_appointments_conversation_idempotency_key")
        ),
        sa.UniqueConstraint("uid", name=op.f("uq_appointments_uid")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_appointments_token_hash")),
    )
    op.create_index(
        op.f("ix_appointments_conversation_starts_at"),
        "appointments",
        ["conversation", "starts_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_appointments_status_hold_expires_at"),
        "appointments",
        ["status", "hold_expires_at"],
        unique=False,
    )
    op.create_table(
        "appointment_cells",
        sa.Column("clinician", sa.String(length=40), nullable=False),
        sa.Column("cell", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("appointment_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment_id"],
            ["appointments.id"],
            name=op.f("fk_appointment_cells_appointment_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("clinician", "cell", name=op.f("pk_appointment_cells")),
    )
    op.create_index(
        op.f("ix_appointment_cells_appointment_id"), "appointment_cells", ["appointment_id"], unique=False
    )
