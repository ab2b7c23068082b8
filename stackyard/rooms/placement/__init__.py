"""The placement room: who provides how much of what, and who has claimed it (Placement)."""
