package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"maestro/bench/load"
	"maestro/tenancy"
)

// The product's HTTP contract, as far as the workloads use it.
const (
	api       = "/api/v1"
	pageSize  = 50 // of a list unless asked otherwise
	callLimit = 10 * time.Second
)

// call sends one request and decodes the answer into out, unless that is nil.
func call(conn *load.Conn, method, path, token string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	var answer []byte
	status, err := conn.Do(load.AppendRequest(nil, method, api+path, token, body), &answer)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if status < 200 || status > 299 {
		return fmt.Errorf("%s %s: status %d: %s", method, path, status, answer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// session is what a login gives.
type session struct {
	token   string
	expires time.Time
}

func login(conn *load.Conn, email, password, tenant string) (session, error) {
	var answer struct {
		AccessToken string  `json:"access_token"`
		ExpiresIn   float64 `json:"expires_in"` // seconds
	}
	in := map[string]string{"email": email, "password": password}
	if tenant != "" {
		in["tenant"] = tenant
	}
	err := call(conn, "POST", "/auth/login", "", in, &answer)
	if err == nil && answer.AccessToken == "" {
		err = fmt.Errorf("a login without an access token")
	}
	return session{answer.AccessToken, time.Now().Add(time.Duration(answer.ExpiresIn * float64(time.Second)))}, err
}

// fetch returns the body of one GET.
func fetch(addr, path, token string) ([]byte, error) {
	conn := load.NewConn(addr, callLimit)
	defer conn.Close()
	var body []byte
	status, err := conn.Do(load.AppendRequest(nil, "GET", path, token, nil), &body)
	if err == nil && status != 200 {
		err = fmt.Errorf("GET %s: status %d: %s", path, status, body)
	}
	return body, err
}

// anyOf returns a random tenant.
func anyOf(tenants []*tenant, random *rand.Rand) *tenant { return tenants[random.IntN(len(tenants))] }

func pick(ids []tenancy.ID, random *rand.Rand) string { return ids[random.IntN(len(ids))].String() }

const listPath = api + "/projects?limit=50"

func projectPath(id string) string  { return api + "/projects/" + id }
func artifactPath(id string) string { return api + "/artifacts/" + id }

// viewProject reads a random project.
func viewProject(tenants []*tenant) load.Next {
	return func(_ int, random *rand.Rand, buf []byte) []byte {
		t := anyOf(tenants, random)
		return load.AppendRequest(buf, "GET", projectPath(pick(t.projects, random)), t.token, nil)
	}
}

// viewArtifact reads a random artifact.
func viewArtifact(tenants []*tenant) load.Next {
	return func(_ int, random *rand.Rand, buf []byte) []byte {
		t := anyOf(tenants, random)
		return load.AppendRequest(buf, "GET", artifactPath(pick(t.artifacts, random)), t.token, nil)
	}
}

// listProjects reads a random tenant's newest projects.
func listProjects(tenants []*tenant) load.Next {
	return func(_ int, random *rand.Rand, buf []byte) []byte {
		return load.AppendRequest(buf, "GET", listPath, anyOf(tenants, random).token, nil)
	}
}

// created numbers the projects that the workloads create, so that each has a name of
// its own whatever workload makes it.
var created atomic.Int64

const createdName = "Created "

// createProject creates a project in a random tenant.
func createProject(tenants []*tenant) load.Next {
	kinds := renderProjects()
	return func(_ int, random *rand.Rand, buf []byte) []byte {
		body := appendCreated(make([]byte, 0, 512), kinds, created.Add(1))
		return load.AppendRequest(buf, "POST", api+"/projects", anyOf(tenants, random).token, body)
	}
}

// beforeName is how the JSON of a project starts.
const beforeName = `{"name":"`

// renderProjects returns the JSON of a project of each kind, from the end of its name
// on. To encode each project anew would take a tenth of what a request costs the
// generator.
func renderProjects() [][]byte {
	kinds := make([][]byte, projectKinds)
	for n := range kinds {
		fields := project(n)
		fields.Name = ""
		kinds[n] = bytes.TrimPrefix(encode(fields), []byte(beforeName))
	}
	return kinds
}

// appendCreated appends what encode gives of createdProject(n).
func appendCreated(buf []byte, kinds [][]byte, n int64) []byte {
	buf = append(buf, beforeName+createdName...)
	buf = strconv.AppendInt(buf, n, 10)
	return append(buf, kinds[n%projectKinds]...)
}

// changeProject changes a random project.
func changeProject(tenants []*tenant) load.Next {
	return func(_ int, random *rand.Rand, buf []byte) []byte {
		t := anyOf(tenants, random)
		body := strconv.AppendInt([]byte(`{"complexity_score":`), int64(1+random.IntN(100)), 10)
		return load.AppendRequest(buf, "PATCH", projectPath(pick(t.projects, random)), t.token, append(body, '}'))
	}
}

// useArtifact records a use of a random artifact in a random project.
func useArtifact(tenants []*tenant) load.Next {
	return func(_ int, random *rand.Rand, buf []byte) []byte {
		t := anyOf(tenants, random)
		body := fmt.Appendf(nil, `{"project_id":%q,"impact_score":%d}`, pick(t.projects, random), random.IntN(101))
		return load.AppendRequest(buf, "POST", artifactPath(pick(t.artifacts, random))+"/use", t.token, body)
	}
}

// recordMetric records one point of a random project.
func recordMetric(tenants []*tenant) load.Next {
	return func(_ int, random *rand.Rand, buf []byte) []byte {
		t := anyOf(tenants, random)
		body := fmt.Appendf(nil, `{"project_id":%q,"metric_type":"commits_per_week","metric_value":%d}`, pick(t.projects, random), random.IntN(50))
		return load.AppendRequest(buf, "POST", api+"/metrics", t.token, body)
	}
}

// searchArtifacts asks for what a person has typed so far of a random word.
func searchArtifacts(tenants []*tenant) load.Next {
	return func(_ int, random *rand.Rand, buf []byte) []byte {
		word := words[random.IntN(len(words))]
		typed := word[:min(len(word), 2+random.IntN(6))]
		return load.AppendRequest(buf, "POST", api+"/artifacts/search", anyOf(tenants, random).token, fmt.Appendf(nil, `{"query":%q}`, typed))
	}
}

// share is a kind of request with its share of a mixture.
type share struct {
	weight int
	next   load.Next
}

// mixture draws each request from the shares, by weight.
func mixture(shares ...share) load.Next {
	total := 0
	for _, s := range shares {
		total += s.weight
	}
	return func(client int, random *rand.Rand, buf []byte) []byte {
		n := random.IntN(total)
		for _, s := range shares {
			if n < s.weight {
				return s.next(client, random, buf)
			}
			n -= s.weight
		}
		panic("a number below the sum of the weights falls into one of them")
	}
}

// encode returns v as JSON; v is one of this program's own plain types.
func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("a value of our own always encodes: " + err.Error())
	}
	return text
}
