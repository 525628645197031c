"""What runs beside nginx: it models which servers nginx uses, and shows it. Stock nginx tells nobody."""
