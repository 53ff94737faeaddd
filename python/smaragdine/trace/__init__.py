"""The directories that recordings leave behind, opened for reading."""
