"""What a command shows on the terminal.

command      parses the flags, runs a command, turns mistakes into one line
progress     shows the progress of long work: work (numbers), displays (a bar or
             lines)
importing    is shown while TensorFlow is imported
short_help   the text of --helpshort
errors       the one line of an error
differences  texts for errors about changed settings
version      the version of the project
"""
