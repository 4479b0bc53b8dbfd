"""The parts of stores that wait for nothing: rows, queries, schema steps, time. Each database has its own folder."""
