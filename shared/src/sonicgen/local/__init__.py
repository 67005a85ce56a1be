"""The embedded cloud: what Google Cloud and Supabase give, on one machine."""
