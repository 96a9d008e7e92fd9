#!/usr/bin/env ruby
require "bigdecimal"; require "erb"; require "fiddle"; require "json"; require "net/http"; require "openssl"
require "psych"; require "readline"; require "socket"; require "zlib"; require "digest"; require "bundler"

server = TCPServer.new("127.0.0.1", 0)
context = OpenSSL::SSL::SSLContext.new
context.cert = OpenSSL::X509::Certificate.new(File.read("/w/cert.pem"))
context.key = OpenSSL::PKey.read(File.read("/w/key.pem"))
secure = OpenSSL::SSL::SSLServer.new(server, context)
Thread.new do
  client = secure.accept
  nil until client.gets.strip.empty?
  body = ERB.new("<% 3.times do |n| %><%= n %><% end %>").result
  client.write("HTTP/1.1 200 OK\r\nContent-Length: #{body.bytesize}\r\n\r\n#{body}")
  client.close
end
http = Net::HTTP.new("127.0.0.1", server.addr[1])
http.use_ssl = true
http.ca_file = "/w/cert.pem"
store = OpenSSL::X509::Store.new.tap(&:set_default_paths)
puts JSON.generate({
  page: http.get("/").body,
  yaml: Psych.load("a: [1, 2]"),
  latin: "é".encode("ISO-8859-1").bytes,
  encoding: Encoding.default_external.to_s,
  authorities: File.read(OpenSSL::X509::DEFAULT_CERT_FILE).scan("BEGIN CERTIFICATE").size > 100,
  user: Process.uid,
  packed: Zlib.inflate(Zlib.deflate("x")),
  shell: `echo hello; true`,
})
