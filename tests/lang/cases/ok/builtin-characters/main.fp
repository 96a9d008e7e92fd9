result = [characters("aé世"), characters("")]
