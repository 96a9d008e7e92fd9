package main

import (
	"testing"

	"example.org/greeting"
)

func TestGreeting(t *testing.T) {
	if got := greeting.For(7); got != "Hello from user 7" {
		t.Errorf("got %q", got)
	}
}
