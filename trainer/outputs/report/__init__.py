"""report.html: one page that shows how a run went."""
