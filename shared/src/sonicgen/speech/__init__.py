"""Transcripts: whose words they are, when each was said, and the files they become."""
