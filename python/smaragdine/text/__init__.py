"""Numbers and names as people read them: in a terminal, a notebook, a spreadsheet."""
