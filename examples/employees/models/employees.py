"""The table employees: each may be in a department."""

from dbconfig import metadata
from sqlalchemy import Column, Date, ForeignKey, Integer, String, Table

from models.departments import table as departments

table = Table(
    "employees",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(250), nullable=False),
    Column("title", String(250)),
    Column("office_number", Integer, comment="Floor and room: 204 is on the second floor."),
    Column("hired", Date),
    Column("department", ForeignKey(departments.c.code), index=True),
)
