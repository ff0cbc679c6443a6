"""report.html: one page that shows how a run went.

page         fills the templates of ../templates
run_files    reads the files of the run
run_views    scores, curves, calibration, time
class_views  recall of each class, confusions, mistakes
mistakes     finds the confusions and the mistakes with highest probability
charts       lines, their marks and ticks; fonts/: the fonts of the page
"""
