"""What partners' machines are told: signed events to addresses that organisations register."""
