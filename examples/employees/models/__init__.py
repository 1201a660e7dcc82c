"""The tables: ``wsgikit createdb`` creates those of every module here."""
