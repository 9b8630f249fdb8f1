package server

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var updateDocument = flag.Bool("update", false, "rewrite openapi.json from the routes")

// The committed document is what the client is generated from and what a review
// sees of a change of the API, so it must be the live one.
func TestTheCommittedDocument(t *testing.T) {
	live := New(Options{Version: "0.0.0"}).OpenAPI()
	if *updateDocument {
		if err := os.WriteFile("openapi.json", live, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, live) {
		t.Error("openapi.json is not the document of the routes: run make openapi client, and review the difference")
	}
}

// What an answer shows as null can be sent as null: a client may send back what
// it read.
func TestNullIsTakenWhereItIsShown(t *testing.T) {
	w := newWorld(t)
	w.acme.send("POST", "/api/v1/projects", `{"name": "N", "problem_class": null, "complexity_score": null, "team_size": null, "start_date": null,
		"completion_date": null, "model_performance": null, "compute_cost": null, "business_impact": null}`).want(201)
}
