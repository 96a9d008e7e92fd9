result = {
  precedence = 1 + 2 * 3 - 4 / 2
  left = 10 - 3 - 2
  minus = -2 - -3
  compare = [1 < 2, 2 <= 2, 3 > 2, 2 >= 3, 1 == 1.0, 1 != 2]
  logic = true && !false || false
  not-twice = !!true
  last-operand = 1 + let a = 2 in a
  logic-last = false || if true then true else false
}
