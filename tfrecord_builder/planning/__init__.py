"""What goes where, from the ids and labels alone.

csv_files          csv files and class_map.csv
labels             the label csv: graphemes and their labels
image_ids          ids, ordered and found by their hashes
image_labels       the images joined with their labels
folds              deals images to folds
plan               the shard and the offset of each record
background_choice  the background that is recorded, and why
summary            dataset_info.json of a plan, and the table of the folds
"""
