"""Plans every record from only the ids and labels.

csv_files          csv files and class_map.csv
labels             the label csv: graphemes and their labels
image_ids          ids, sorted and found by their hashes
image_labels       joins the images with their labels
folds              splits the images into folds
plan               the shard and the offset of each record
background_choice  chooses the background that is recorded
summary            dataset_info.json of a plan, and the table of the folds
"""
