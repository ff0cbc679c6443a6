"""The files that a run writes to its workdir.

workdir             metrics.csv, speed.csv, flags.txt, during the run
summary             summary.json
tensorboard_events  tensorboard/; contact_sheet: its augmented images
trained_model       model.keras at the end: calibrated, scored, written
model_card          README.md in the same folder, for users of the model
report/             report.html
templates/          of the report and the model card
"""
