package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"maestro/registry"
	"maestro/tenancy"
	"maestro/tracking"
)

// standIn answers as the product's HTTP contract says, from nothing: it refuses what
// the contract does not know, and has every id. It proves that the workloads
// speak the contract without waiting for a server and its data.
type standIn struct {
	mu    sync.Mutex
	names map[string]bool // of projects created, by tenant
}

func serveStandIn(addr string) error {
	s := &standIn{names: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST "+api+"/auth/login", s.login)
	mux.HandleFunc("POST "+api+"/tenants", authenticated(s.createTenant))
	mux.HandleFunc("POST "+api+"/users", authenticated(s.createUser))
	mux.HandleFunc("GET "+api+"/projects", authenticated(s.listProjects))
	mux.HandleFunc("POST "+api+"/projects", authenticated(s.createProject))
	mux.HandleFunc("GET "+api+"/projects/{id}", authenticated(s.viewProject))
	mux.HandleFunc("PATCH "+api+"/projects/{id}", authenticated(s.changeProject))
	mux.HandleFunc("GET "+api+"/artifacts/{id}", authenticated(s.viewArtifact))
	mux.HandleFunc("POST "+api+"/artifacts/{id}/use", authenticated(s.useArtifact))
	mux.HandleFunc("POST "+api+"/artifacts/search", authenticated(s.searchArtifacts))
	mux.HandleFunc("POST "+api+"/metrics", authenticated(s.recordMetric))
	mux.HandleFunc("POST "+api+"/metrics/batch", authenticated(s.recordBatch))
	return http.ListenAndServe(addr, mux)
}

// answer is a status and what is encoded as the body, or why the request is refused.
type answer func(r *http.Request, token string) (int, any, error)

func authenticated(f answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer token-of-")
		if !ok {
			http.Error(w, "no token", http.StatusUnauthorized)
			return
		}
		status, body, err := f(r, token)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
}

func decode(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func (s *standIn) login(w http.ResponseWriter, r *http.Request) {
	var in struct{ Email, Password, Tenant string }
	if err := decode(r, &in); err != nil || in.Password != adminPassword {
		http.Error(w, fmt.Sprint("no: ", err), http.StatusUnauthorized)
		return
	}
	_, _ = w.Write(encode(map[string]any{"access_token": "token-of-" + in.Tenant, "refresh_token": "r", "token_type": "Bearer", "expires_in": 900}))
}

func (s *standIn) createTenant(r *http.Request, token string) (int, any, error) {
	var in struct {
		tenancy.TenantFields
		Admin *struct{ Email, Name, Password string } `json:"admin"`
	}
	in.TenantFields = tenancy.NewTenantFields("", "")
	err := decode(r, &in)
	if err == nil {
		err = in.Validate()
	}
	if err == nil && (in.Admin == nil || token != "") {
		err = fmt.Errorf("admin %+v, asked for by %q", in.Admin, token)
	}
	return 201, map[string]any{"id": idOf(in.Slug)}, err
}

func (s *standIn) createUser(r *http.Request, _ string) (int, any, error) {
	var in struct {
		Email, Name string
		Roles       []string
	}
	return 201, map[string]any{}, decode(r, &in)
}

func (s *standIn) listProjects(r *http.Request, token string) (int, any, error) {
	page := 1
	if cursor := r.URL.Query().Get("cursor"); cursor != "" {
		var err error
		if page, err = strconv.Atoi(strings.TrimPrefix(cursor, "page=")); err != nil {
			return 0, nil, err
		}
	}
	var items []tracking.Project
	for i := range pageSize {
		items = append(items, tracking.Project{ID: idOf(fmt.Sprint(page, i)), TenantID: idOf(token), ProjectFields: project(i), Version: 1})
	}
	return 200, map[string]any{"items": items, "next_cursor": fmt.Sprintf("page=%d", page+1)}, nil
}

func (s *standIn) createProject(r *http.Request, token string) (int, any, error) {
	var in tracking.ProjectFields
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.names[token+in.Name] {
		return 0, nil, fmt.Errorf("the name %q is taken", in.Name)
	}
	s.names[token+in.Name] = true
	return 201, in, in.Validate()
}

func (s *standIn) viewProject(r *http.Request, token string) (int, any, error) {
	id, err := tenancy.ParseID(r.PathValue("id"))
	return 200, tracking.Project{ID: id, TenantID: idOf(token), ProjectFields: project(1), Version: 1}, err
}

func (s *standIn) changeProject(r *http.Request, token string) (int, any, error) {
	in := project(1)
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	if err := in.Validate(); err != nil {
		return 0, nil, err
	}
	return s.viewProject(r, token)
}

func (s *standIn) viewArtifact(r *http.Request, token string) (int, any, error) {
	id, err := tenancy.ParseID(r.PathValue("id"))
	return 200, registry.Artifact{ID: id, TenantID: idOf(token), ArtifactFields: artifact(1)}, err
}

func (s *standIn) useArtifact(r *http.Request, _ string) (int, any, error) {
	var in registry.UsageFields
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	return 201, in, in.Validate()
}

func (s *standIn) searchArtifacts(r *http.Request, _ string) (int, any, error) {
	var in struct {
		Query, Type    string
		Tags           []string
		MinImpactScore *float64 `json:"min_impact_score"`
	}
	err := decode(r, &in)
	if err == nil && len(in.Query) < 2 {
		err = fmt.Errorf("query %q", in.Query)
	}
	return 200, map[string]any{"items": []int{}, "next_cursor": nil}, err
}

func (s *standIn) recordMetric(r *http.Request, _ string) (int, any, error) {
	var in tracking.Point
	return 201, map[string]any{}, decode(r, &in)
}

func (s *standIn) recordBatch(r *http.Request, _ string) (int, any, error) {
	var in []tracking.Point
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	if len(in) != batchPoints {
		return 0, nil, fmt.Errorf("%d points", len(in))
	}
	return 201, map[string]any{}, nil
}

// idOf returns the id that name always has.
func idOf(name string) tenancy.ID {
	hash := sha256.Sum256(bytes.ToLower([]byte(name)))
	return tenancy.ID(hash[:16])
}
