"""The outside: YouTube, feeds, yt-dlp and the like, behind small interfaces."""
