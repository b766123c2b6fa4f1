"""What is found in an image: body, thighs and sides."""
