"""Who decided: reviews, conflicts of interest, decisions; the review desk."""
