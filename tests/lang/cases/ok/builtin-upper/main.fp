result = [upper("abc äö"), upper("AB1")]
