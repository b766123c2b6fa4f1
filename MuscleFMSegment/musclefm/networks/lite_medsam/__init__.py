"""LiteMedSAM: a TinyViT encoder, and SAM's mask decoder with a class a token."""
