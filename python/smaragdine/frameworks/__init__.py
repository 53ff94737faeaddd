"""How each framework tells what its operations are."""
