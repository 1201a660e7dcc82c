"""`idempotency_table`: where requests that may be sent again are remembered."""

import sqlalchemy as sa


def idempotency_table(metadata: sa.MetaData, name: str = "idempotency_keys") -> sa.Table:
    """Make the table of the records that `wsgikit.model_collection.idempotency` keeps.

    A `TableModel` over it, on the engine of the collection's own, is what the collection's
    `idempotency` option takes.

    Args:
        metadata: Where the table is added, to be created with the others.
        name: The table's name.
    """
    return sa.Table(
        name,
        metadata,
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("result", sa.JSON),
        sa.Column("created", sa.DateTime, nullable=False, index=True),
    )
