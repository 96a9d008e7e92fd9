# More functions for lists: lists = import("fpack/lists").

# The last element.
#
#   lists.last([1, 2, 3]) == 3
last(xs: list) = if xs == [] then error("An empty list has no last element") else get(xs, length(xs) - 1)

# The first n elements, or all, if there are fewer.
#
#   lists.take([1, 2, 3], 2) == [1, 2]
take(xs: list, n: int) = [get(xs, i) for i in range(max(0, min(n, length(xs))))]

# All but the first n elements.
#
#   lists.drop([1, 2, 3], 2) == [3]
drop(xs: list, n: int) = [get(xs, i) for i in range(min(max(0, n), length(xs)), length(xs))]

# The elements before the first element for which f returns false.
#
#   lists.take-while([1, 2, 9, 1], x => x < 5) == [1, 2]
take-while(xs: list, f: function) = take(xs, first-other(xs, f, 0))

# The elements from the first element for which f returns false.
#
#   lists.drop-while([1, 2, 9, 1], x => x < 5) == [9, 1]
drop-while(xs: list, f: function) = drop(xs, first-other(xs, f, 0))

# The index, at or after i, of the first element for which f returns false, or the length.
#
#   lists.first-other([2, 4, 5], x => x < 5, 0) == 2
first-other(xs: list, f: function, i: int) =
  if i >= length(xs) then length(xs) else if f(get(xs, i)) then first-other(xs, f, i + 1) else i

# The first element for which f is true, or `default`.
#
#   lists.find([1, 2, 3], x => x > 1) == 2
#   lists.find([1], x => x > 1) == null
find(xs: list, f: function, default = null) = let found = filter(xs, f) in if found == [] then default else head(found)

# The index of the first element that equals x, or null.
#
#   lists.index-of(["a", "b"], "b") == 1
index-of(xs: list, x) = let at = first-other(xs, y => y != x, 0) in if at == length(xs) then null else at

# The number of elements for which f returns true.
#
#   lists.count([1, 2, 3], x => x > 1) == 2
count(xs: list, f: function) = length(filter(xs, f))

# The sum of the numbers in a list.
#
#   lists.sum([1, 2, 3]) == 6
sum(xs: list) = fold(xs, 0, (a, b) => a + b)

# The product of the numbers in a list.
#
#   lists.product([2, 3, 4]) == 24
product(xs: list) = fold(xs, 1, (a, b) => a * b)

# Each element with its index.
#
#   lists.indexed(["a", "b"]) == [{ index = 0, value = "a" }, { index = 1, value = "b" }]
indexed(xs: list) = [{ index = i, value = get(xs, i) } for i in range(length(xs))]

# The lists that f returns for the elements, joined to one list.
#
#   lists.flat-map([1, 2], x => [x, x * 10]) == [1, 10, 2, 20]
flat-map(xs: list, f: function) = flatten(map(xs, f))

# The results of f for the elements of two lists at the same index.
#
#   lists.zip-with([1, 2], [10, 20], (a, b) => a + b) == [11, 22]
zip-with(xs: list, ys: list, f: function) = [f(head(pair), get(pair, 1)) for pair in zip(xs, ys)]

# The elements for which f returns true, and the others.
#
#   lists.partition([1, 2, 3], x => x > 1) == { yes = [2, 3], no = [1] }
partition(xs: list, f: function) = { yes = filter(xs, f), no = filter(xs, x => !f(x)) }

# The elements grouped by the string that f returns for them.
#
#   lists.group-by(["ab", "a", "cd"], s => to-string(length(s))) == { "1" = ["a"], "2" = ["ab", "cd"] }
group-by(xs: list, f: function) = list-groups(xs, f)

# The elements that are not in another list.
#
#   lists.without([1, 2, 3], [2]) == [1, 3]
without(xs: list, others: list) = list-without(xs, others)

# The elements that are in another list too.
#
#   lists.common([1, 2, 3], [3, 1]) == [1, 3]
common(xs: list, others: list) = list-common(xs, others)

# A list of n times x.
#
#   lists.repeat("a", 3) == ["a", "a", "a"]
repeat(x, n: int) = [x for _ in range(n)]

# The elements in lists of n elements each; the last list may be shorter.
#
#   lists.chunks([1, 2, 3, 4, 5], 2) == [[1, 2], [3, 4], [5]]
chunks(xs: list, n: int) =
  assert n > 0, "`chunks` makes lists of at least one element" in
  [[get(xs, j) for j in range(i * n, min(length(xs), i * n + n))] for i in range((length(xs) + n - 1) / n)]

# The elements with x between each two elements.
#
#   lists.intersperse([1, 2, 3], 0) == [1, 0, 2, 0, 3]
intersperse(xs: list, x) = [...take(xs, 1), ...flatten([[x, y] for y in drop(xs, 1)])]

# The first element for which f returns the smallest number or string.
#
#   lists.smallest(["ccc", "a", "bb"], s => length(s)) == "a"
smallest(xs: list, f: function = x => x) = head(sort(xs, f))

# The last element for which f returns the largest number or string.
#
#   lists.largest(["a", "ccc", "bb"], s => length(s)) == "ccc"
largest(xs: list, f: function = x => x) = last(sort(xs, f))

# The combinations of one element of each list (their Cartesian product), in the order of the lists.
#
#   lists.combinations([[1, 2], ["a", "b"]]) == [[1, "a"], [1, "b"], [2, "a"], [2, "b"]]
#   lists.combinations([]) == [[]]
combinations(xss: list) = fold(xss, [[]], (found, xs) => [[...before, x] for before in found for x in xs])
