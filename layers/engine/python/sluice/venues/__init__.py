"""Pool types, one module each; `registry` names them all, and importing it imports them all."""
