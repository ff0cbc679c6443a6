"""What a command shows on the terminal.

command     parses the flags, runs a command, turns mistakes into one line
progress    how far long work is: work (the numbers), displays (bar or lines)
importing   what is shown while TensorFlow is imported
short_help  what --helpshort prints
errors      the one line of an error
version     the version of the project
"""
