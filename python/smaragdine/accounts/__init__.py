"""What a trace adds up to: footprints, diagrams, ledgers, and the numbers they are made of. Pure."""
