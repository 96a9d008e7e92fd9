#!/usr/bin/env node
const polka = require("polka")

const port = process.env.PORT || 8000

polka()
  .get("/", (_, answer) => answer.end(`Hello from user ${process.getuid()}\n`))
  .listen(port, error => {
    if (error) throw error
    console.log(`listening on ${port}`)
  })

process.on("SIGTERM", () => process.exit(0))
