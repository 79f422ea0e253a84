"""What the libraries that define a number say of it; they run in an environment of their own."""
