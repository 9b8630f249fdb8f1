package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"maestro/client"
	"maestro/problem"
	"maestro/tenancy"
	"maestro/testdata/projects"
	"maestro/tracking"
)

// fillDemo makes the tenants that have no account among logins, and what is in
// them, and tells made of each. operator is a client that may create tenants. A
// tenant that cannot be filled is deleted again.
func (a *app) fillDemo(ctx context.Context, operator *client.Client, logins []demoLogin, made func(demoLogin) error) error {
	for _, h := range histories() {
		if slices.ContainsFunc(logins, func(l demoLogin) bool { return l.Tenant == h.slug }) {
			continue
		}
		login := demoLogin{Tenant: h.slug, Email: "admin@" + h.slug + ".example", Password: rand.Text()}
		many := int64(1000)
		tenant, err := operator.CreateTenant(ctx, client.NewTenant{
			Name: h.name, Slug: h.slug, MaxProjects: &many,
			Admin: &client.FirstAdmin{Email: login.Email, Name: "Admin of " + h.slug, Password: login.Password},
		})
		var answer *client.Error
		if errors.As(err, &answer) && problem.Code(answer.Code()) == problem.Conflict {
			return fmt.Errorf("tenant %s: %w\n  The demo was here before: maestro tenant delete %s removes that part of it.", h.slug, err, h.slug)
		}
		if err == nil {
			err = a.fillTenant(ctx, operator.URL(), login, &h)
			if err != nil {
				err = errors.Join(err, operator.DeleteTenant(context.WithoutCancel(ctx), tenant.ID, client.DeleteTenantParams{}))
			}
		}
		if err == nil {
			err = made(login)
		}
		if err != nil {
			return fmt.Errorf("tenant %s: %w", h.slug, err)
		}
	}
	return nil
}

// fillTenant imports a history, predicts the last of its projects before they are
// completed, records the history's practices with their usages, adds the files that the history comes from, and begins a project that uses those.
func (a *app) fillTenant(ctx context.Context, url string, login demoLogin, h *history) error {
	c, err := loggedIn(ctx, url, login)
	if err != nil {
		return err
	}
	table, err := projects.Files.ReadFile(h.slug + ".csv")
	if err != nil {
		return err
	}
	rows, err := h.plan.read(bytes.NewReader(table))
	if err != nil {
		return err
	}
	replayed := rows[len(rows)-replayedProjects:]
	if err := a.importAll(ctx, c, rows[:len(rows)-replayedProjects], false); err != nil {
		return err
	}
	for i := range replayed {
		if err := replay(ctx, c, &replayed[i].fields); err != nil {
			return err
		}
	}
	if err := a.recordPractices(ctx, c, h); err != nil {
		return err
	}
	class := "regression"
	research, err := c.CreateProject(ctx, client.CreateProjectParams{}, client.ProjectFields{
		Name: "Effort prediction from " + h.slug, Status: "active", ProblemClass: &class,
		Description: "Learns from the finished projects of this tenant what the next one will take.",
	})
	if err != nil {
		return err
	}
	if _, err := c.CreatePrediction(ctx, client.CreatePredictionParams{}, client.PredictionRequest{ProjectID: &research.ID}); err != nil {
		return err
	}
	if err := a.pushSources(ctx, c, h, research.ID); err != nil {
		return err
	}
	return a.collectClone(ctx, c)
}

// replayedProjects is how many projects of a history are lived again: planned,
// predicted from those before, and completed as they were. So the demo's card
// compares predictions with what happened.
const replayedProjects = 10

// replay records a finished project as it came about.
func replay(ctx context.Context, c *client.Client, finished *tracking.ProjectFields) error {
	planned := finished.Clone()
	planned.Status, planned.CompletionDate, planned.ComputeCost = tracking.Active, nil, nil
	planned.ModelPerformance, planned.BusinessImpact = nil, nil
	fields, err := sameMembers[client.ProjectFields](planned)
	if err != nil {
		return err
	}
	p, err := c.CreateProject(ctx, client.CreateProjectParams{}, fields)
	if err != nil {
		return err
	}
	if _, err := c.CreatePrediction(ctx, client.CreatePredictionParams{}, client.PredictionRequest{ProjectID: &p.ID}); err != nil {
		return err
	}
	outcome, err := sameMembers[client.Outcome](struct {
		Completion  *tenancy.Time `json:"completion_date,omitempty"`
		Cost        *float64      `json:"compute_cost,omitempty"`
		Performance *float64      `json:"model_performance,omitempty"`
		Impact      *float64      `json:"business_impact,omitempty"`
	}{finished.CompletionDate, finished.ComputeCost, finished.ModelPerformance, finished.BusinessImpact})
	if err != nil {
		return err
	}
	_, err = c.RecordSuccess(ctx, p.ID, client.RecordSuccessParams{}, outcome)
	return err
}

// sameMembers turns a value into the client's type with the same JSON.
func sameMembers[T any](from any) (to T, err error) {
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, &to)
	}
	return to, err
}

// recordPractices makes the practices artifacts and every project that followed
// one a usage.
func (a *app) recordPractices(ctx context.Context, c *client.Client, h *history) error {
	for _, p := range h.practices {
		x, err := c.CreateArtifact(ctx, client.CreateArtifactParams{}, client.ArtifactFields{
			Name: p.name, Type: p.kind, Version: "1", Description: p.description, Tags: []string{"practice", h.slug},
		})
		if err != nil {
			return err
		}
		for project, err := range c.AllProjects(ctx, client.ListProjectsParams{Limit: pageSize}) {
			if err != nil {
				return err
			}
			if value, ok := project.Attributes[p.attribute].(float64); !ok || value != p.value {
				continue
			}
			if _, err := c.UseArtifact(ctx, x.ID, client.UseArtifactParams{}, client.UsageFields{ProjectID: project.ID}); err != nil {
				return err
			}
		}
	}
	return nil
}

// pushSources puts the files of a history into the library, and the document of
// the API, and records that project uses them.
func (a *app) pushSources(ctx context.Context, c *client.Client, h *history, project string) error {
	document, err := apiDocument(ctx, c.URL())
	if err != nil {
		return err
	}
	files := []struct {
		fields  client.ArtifactFields
		file    string
		content []byte
	}{
		{fields: client.ArtifactFields{Name: h.slug + ".csv", Type: "dataset", Description: "Finished projects, one a row", MediaType: "text/csv"}, file: h.slug + ".csv"},
		{fields: client.ArtifactFields{Name: h.slug + ".arff", Type: "dataset", Description: "The original of the table, with its source", MediaType: "text/plain"}, file: h.slug + ".arff"},
		{fields: client.ArtifactFields{Name: "sources.md", Type: "report", Description: "Where the histories come from and what their columns mean", MediaType: "text/markdown"}, file: "README.md"},
		{fields: client.ArtifactFields{Name: "maestro-openapi.json", Type: "schema", Description: "The API of this server", MediaType: "application/json"}, content: document},
	}
	for _, f := range files {
		if f.file != "" {
			if f.content, err = projects.Files.ReadFile(f.file); err != nil {
				return err
			}
		}
		f.fields.Version, f.fields.Tags = "1.0.0", []string{"history", h.slug}
		x, err := a.push(ctx, c, f.fields, memoryFile{bytes.NewReader(f.content), f.fields.Name})
		if err != nil {
			return err
		}
		if _, err := c.UseArtifact(ctx, x.ID, client.UseArtifactParams{}, client.UsageFields{ProjectID: project}); err != nil {
			return err
		}
	}
	return nil
}

func apiDocument(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/openapi.json", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, &client.ConnectionError{URL: url, Err: err}
	}
	defer response.Body.Close()
	var document bytes.Buffer
	if _, err := document.ReadFrom(response.Body); err != nil {
		return nil, &client.ConnectionError{URL: url, Err: err}
	}
	return document.Bytes(), nil
}

// collectClone makes the history of the clone that the program runs in, if any,
// the process metrics of a project of its name.
func (a *app) collectClone(ctx context.Context, c *client.Client) error {
	top, err := exec.CommandContext(ctx, "git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		return ctx.Err() // no git, or no clone: the demo does without
	}
	dir := strings.TrimSpace(string(top))
	commits, err := gitLog(ctx, dir)
	if err != nil || len(commits) == 0 {
		return ctx.Err()
	}
	began := commits[0].at.Format(time.DateOnly)
	p, err := c.CreateProject(ctx, client.CreateProjectParams{}, client.ProjectFields{
		Name: "Repository " + filepath.Base(dir), Status: "active", StartDate: &began, Description: "The git repository that the demo was started in.",
	})
	if err != nil {
		return err
	}
	_, err = postSeries(ctx, c, p.ID, gitSeries(commits, time.Now(), true), "")
	return err
}

// memoryFile is content that the program carries.
type memoryFile struct {
	*bytes.Reader
	name string
}

// Stat implements content.
func (f memoryFile) Stat() (os.FileInfo, error) { return f, nil }

// Name and the like implement os.FileInfo.
func (f memoryFile) Name() string     { return f.name }
func (memoryFile) Mode() os.FileMode  { return 0o600 }
func (memoryFile) ModTime() time.Time { return time.Time{} }
func (memoryFile) IsDir() bool        { return false }
func (memoryFile) Sys() any           { return nil }
