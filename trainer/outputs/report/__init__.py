"""report.html: one page that shows how a run went.

page         puts the page together from templates/
run_files    what the run left, read
run_views    scores, curves, calibration, time
class_views  recall of each class, confusions, mistakes
mistakes     finds the confusions and the surest mistakes
charts       lines, their marks and ticks; fonts: the letters of the page
"""
