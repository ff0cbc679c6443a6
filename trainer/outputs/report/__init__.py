"""report.html: one page that shows how a run went.

page         puts the page together
run_files    what the run left, read
run_views    scores, curves, calibration, time
class_views  recall of each class, confusions, mistakes
mistakes     finds the confusions and the surest mistakes
charts       bars and curves as SVG; fonts: the letters of the page
"""
