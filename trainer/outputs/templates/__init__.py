"""Templates of the files that people read after a run.

environment      loads the templates
report.html      the report; it includes charts, classes and run
model_card       README.md next to model.keras
"""
