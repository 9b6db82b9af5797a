"""Who someone is: users, organisations, memberships, staff roles, verifications."""
