// A registry in memory that has the referrers API. It prints each request.
package main

import (
	"log"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	requests := registry.Logger(log.New(os.Stdout, "", 0))
	log.Fatal(http.ListenAndServe(os.Args[1], registry.New(requests, registry.WithReferrersSupport(true))))
}
