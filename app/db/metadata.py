"""The one SQLAlchemy MetaData: every capability's tables.py describes its part of schema `lakeward` in it."""

from sqlalchemy import MetaData

#: PostgreSQL's own default names, so that a constraint is called the same wherever it was written.
NAMING_CONVENTION = {
    "ix": "%(table_name)s_%(column_0_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}

metadata = MetaData(schema="lakeward", naming_convention=NAMING_CONVENTION)
