result = größe
