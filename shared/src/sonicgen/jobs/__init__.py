"""What runs as a Cloud Run Job: work that takes longer than a function may. Entries, like those in functions/."""
