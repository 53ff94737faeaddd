"""The tab `what if`: profiles, their alternatives, and what both take."""
