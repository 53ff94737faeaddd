"""A statement in the forms that people need it in: one small file each, `write(statement, anonymous) -> str`."""
