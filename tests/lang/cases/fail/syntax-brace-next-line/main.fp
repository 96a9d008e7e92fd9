f({ a }) = a
result = f
{ a = 1 }
