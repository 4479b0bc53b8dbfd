"""The same small feed in each framework: sign in, read the feed past the access token's end, sign out."""
