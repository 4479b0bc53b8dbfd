"""PostgreSQL: queries and schema steps."""
