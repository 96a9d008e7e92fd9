package main

import (
	"bytes"
	"fmt"
	"os"
	"time"
)

func double(n int) int { return 2 * n }

func main() {
	authorities, err := os.ReadFile(os.Getenv("SSL_CERT_FILE"))
	if err != nil {
		authorities = nil
	}
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		zone = time.UTC
	}
	users, _ := os.ReadFile("/etc/passwd")
	scratch, _ := os.CreateTemp("", "x")
	home, _ := os.UserHomeDir()
	fmt.Println(double(21), bytes.Count(authorities, []byte("BEGIN CERTIFICATE")) > 100,
		time.Date(2025, 7, 1, 12, 0, 0, 0, time.UTC).In(zone).Format(time.RFC3339), os.Getuid(), home,
		bytes.Contains(users, []byte(":65532:")), scratch != nil)
}
