result = "${{ a = 1 }}"
