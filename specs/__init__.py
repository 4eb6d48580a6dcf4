"""Words and shapes that every room agrees on. Pure; imports nothing of ours."""
