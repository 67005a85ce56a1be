"""The outside: YouTube, feeds, yt-dlp, AssemblyAI and the like, behind small interfaces."""
