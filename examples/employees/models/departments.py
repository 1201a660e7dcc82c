"""The table departments: its key is a text, which makes for URLs that people can read."""

from dbconfig import metadata
from sqlalchemy import Column, String, Table

table = Table(
    "departments",
    metadata,
    Column("code", String(20), primary_key=True, comment="A short word: sales."),
    Column("name", String(100), nullable=False, unique=True),
)
