make({ name, env = { NAME = name } }) = { name, env }
result = make { name = "a" }.extend { enb.X = "1" }.enb
