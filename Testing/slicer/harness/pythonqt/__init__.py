"""Qt with PythonQt's manners, on PySide6."""
