package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"example.org/greeting"
)

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8000"
	}
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(answer, greeting.For(os.Getuid()))
	})
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		log.Fatal(err)
	}
	log.Print("listening on ", port)
	log.Fatal(http.Serve(listener, nil))
}
