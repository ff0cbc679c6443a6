"""What a command shows on the terminal: its errors, its log, its progress."""
