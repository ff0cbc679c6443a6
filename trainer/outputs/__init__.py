"""What a run leaves in its workdir.

workdir             metrics.csv, speed.csv, flags.txt, as the run goes
summary             summary.json
tensorboard_events  tensorboard/; contact_sheet: its augmented images
trained_model       model.keras at the end: calibrated, scored, written
model_card          README.md beside it, for those it is handed to
report/             report.html
"""
