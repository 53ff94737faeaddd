"""What can be measured on this machine and how well: an examination, findings, and what to ask an administrator for."""
