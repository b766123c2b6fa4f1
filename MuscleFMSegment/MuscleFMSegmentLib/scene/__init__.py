"""What the module does in the MRML scene; no Qt here."""
