package server

import (
	"testing"

	"maestro/problem"
)

func TestTheOperatorManagesTenants(t *testing.T) {
	w := newWorld(t)
	made := w.operator.send("POST", "/tenants", `{"name":"Gamma","slug":"gamma","max_projects":5}`).want(201)
	g := made.object()
	id := g["id"].(string)
	if g["is_active"] != true || g["max_projects"] != 5.0 || g["max_users"] != 10.0 || g["max_storage_bytes"] != float64(50<<30) {
		t.Errorf("made %s", made.body)
	}
	if weights := g["success_weights"].(map[string]any); weights["model_performance"] != 0.4 {
		t.Errorf("weights are %v", weights)
	}
	w.operator.send("POST", "/tenants", `{"name":"Gamma","slug":"other"}`).problem(problem.Conflict)
	p := w.operator.send("POST", "/tenants", `{"name":"","slug":"NO","max_users":-1,"success_weights":{"model_performance":2,"business_impact":0,"cost_efficiency":0,"delivery_speed":0}}`).problem(problem.Validation)
	if len(p.Errors) < 4 {
		t.Errorf("names only %v", p.places())
	}
	suspended := w.operator.send("PATCH", "/tenants/"+id, `{"is_active":false}`, "If-Match", made.header.Get("ETag")).want(200)
	if suspended.object()["is_active"] != false || suspended.object()["name"] != "Gamma" {
		t.Errorf("suspended as %s", suspended.body)
	}
	w.operator.send("GET", "/tenants/"+id, "", "If-None-Match", suspended.header.Get("ETag")).want(200)
	w.operator.send("PATCH", "/tenants/"+id, `{"name":"Delta"}`, "If-Match", made.header.Get("ETag")).problem(problem.PreconditionFailed)
	var page struct{ Items []struct{ Slug string } }
	w.operator.send("GET", "/tenants?sort=-slug&limit=2", "").want(200).into(&page)
	if len(page.Items) != 2 || page.Items[0].Slug != "gamma" {
		t.Errorf("listed %v", page.Items)
	}
	w.operator.send("DELETE", "/tenants/"+id, "").want(204)
	w.operator.send("GET", "/tenants/"+id, "").problem(problem.NotFound)
	w.operator.send("DELETE", "/tenants/"+id, "").problem(problem.NotFound)
}

// What a tenant uses changes without its ETag, so a tenant is never "unchanged".
func TestATenantShowsWhatItUsesNow(t *testing.T) {
	w := newWorld(t)
	before := w.acme.send("GET", "/tenant", "").want(200)
	w.acme.send("POST", "/projects", `{"name":"p"}`).want(201)
	after := w.acme.send("GET", "/tenant", "", "If-None-Match", before.header.Get("ETag")).want(200)
	used := func(a answer) any { return a.object()["use"].(map[string]any)["projects"] }
	if used(before) != 0.0 || used(after) != 1.0 {
		t.Errorf("used %v projects, then %v, want 0 and 1", used(before), used(after))
	}
}
