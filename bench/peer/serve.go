package peer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
	_ "github.com/pocketbase/pocketbase/migrations" // the system collections
	"github.com/pocketbase/pocketbase/tools/types"
)

// ReadyPath answers 200 once the peer serves.
const ReadyPath = "/api/health"

const populationFile = "population.json"

// Population is what the peer was seeded with, tenant by tenant.
type Population struct {
	Tenants []Tenant `json:"tenants"`
}

// Tenant is one tenant, with a token of its user, as a login would give.
type Tenant struct {
	ID       string   `json:"id"`
	Token    string   `json:"token"`
	Projects []string `json:"projects"` // ids
}

// ReadPopulation returns what the peer that serves dir was seeded with.
func ReadPopulation(dir string) (*Population, error) {
	text, err := os.ReadFile(filepath.Join(dir, populationFile))
	if err != nil {
		return nil, err
	}
	var p Population
	return &p, json.Unmarshal(text, &p)
}

// Serve seeds a new data directory with tenants of so many projects each and
// answers on addr until the process ends. It keeps its log of requests, as it does
// by itself, or none.
func Serve(addr, dir string, tenants, projects int, log bool) error {
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: filepath.Join(dir, "data")})
	if err := app.Bootstrap(); err != nil {
		return err
	}
	if err := app.RunAllMigrations(); err != nil {
		return err
	}
	if !log {
		app.Settings().Logs.MaxDays = 0
		if err := app.Save(app.Settings()); err != nil {
			return err
		}
	}
	if err := defineCollections(app); err != nil {
		return fmt.Errorf("define the collections: %w", err)
	}
	population, err := seed(app, tenants, projects)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	text, err := json.Marshal(population)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, populationFile), text, 0o600); err != nil {
		return err
	}
	app.OnServe().BindFunc(func(e *core.ServeEvent) error {
		e.InstallerFunc = nil // it would open a browser to ask for a superuser
		return e.Next()
	})
	return apis.Serve(app, apis.ServeConfig{HttpAddr: addr})
}

func defineCollections(app core.App) error {
	tenants := core.NewBaseCollection("tenants")
	tenants.Fields.Add(&core.TextField{Name: "name", Required: true, Max: 255})
	if err := app.Save(tenants); err != nil {
		return err
	}

	users, err := app.FindCollectionByNameOrId("users")
	if err != nil {
		return err
	}
	users.Fields.Add(&core.RelationField{Name: "tenant", CollectionId: tenants.Id, MaxSelect: 1, Required: true})
	if err := app.Save(users); err != nil {
		return err
	}

	own := types.Pointer("tenant = @request.auth.tenant")
	projects := core.NewBaseCollection("projects")
	projects.ListRule, projects.ViewRule, projects.CreateRule = own, own, own
	projects.Fields.Add(
		&core.RelationField{Name: "tenant", CollectionId: tenants.Id, MaxSelect: 1, Required: true, CascadeDelete: true},
		&core.TextField{Name: "name", Required: true, Max: 255},
		&core.TextField{Name: "description", Max: 10_000},
		&core.TextField{Name: "problem_class", Max: 50},
		&core.SelectField{Name: "status", Values: []string{"planned", "active", "completed", "abandoned"}, MaxSelect: 1},
		&core.NumberField{Name: "complexity_score"},
		&core.NumberField{Name: "team_size", OnlyInt: true},
		&core.NumberField{Name: "model_performance"},
		&core.NumberField{Name: "compute_cost"},
		&core.NumberField{Name: "business_impact"},
		&core.JSONField{Name: "metadata"},
		&core.AutodateField{Name: "created", OnCreate: true},
		&core.AutodateField{Name: "updated", OnCreate: true, OnUpdate: true},
	)
	projects.AddIndex("projects_list", false, "tenant, created", "")
	projects.AddIndex("projects_name", true, "tenant, name", "")
	return app.Save(projects)
}

// seed writes the projects with plain SQL in one transaction for each tenant: through
// the records' own way it would take minutes.
func seed(app core.App, tenants, projects int) (*Population, error) {
	population := &Population{Tenants: make([]Tenant, tenants)}
	tenantRows, err := app.FindCollectionByNameOrId("tenants")
	if err != nil {
		return nil, err
	}
	users, err := app.FindCollectionByNameOrId("users")
	if err != nil {
		return nil, err
	}
	newest := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range population.Tenants {
		tenant := core.NewRecord(tenantRows)
		tenant.Set("name", fmt.Sprintf("Tenant %d", i))
		if err := app.Save(tenant); err != nil {
			return nil, err
		}
		user := core.NewRecord(users)
		user.SetEmail(fmt.Sprintf("user%d@example.com", i))
		user.SetRandomPassword()
		user.SetVerified(true)
		user.Set("tenant", tenant.Id)
		if err := app.Save(user); err != nil {
			return nil, err
		}
		token, err := user.NewAuthToken()
		if err != nil {
			return nil, err
		}
		into := &population.Tenants[i]
		*into = Tenant{ID: tenant.Id, Token: token, Projects: make([]string, projects)}
		err = app.RunInTransaction(func(tx core.App) error {
			insert := tx.DB().NewQuery(`INSERT INTO projects
				(id, tenant, name, description, problem_class, status, complexity_score, team_size, model_performance, compute_cost, business_impact, metadata, created, updated)
				VALUES ({:id}, {:tenant}, {:name}, {:description}, 'forecasting', 'completed', {:complexity}, {:team}, 0.87, 1250.5, 40000, '{}', {:created}, {:created})`)
			if err := insert.Prepare().LastError; err != nil {
				return err
			}
			defer insert.Close()
			for n := range into.Projects {
				into.Projects[n] = core.GenerateDefaultRandomId()
				created := newest.Add(-time.Duration(projects-n) * time.Minute).Format(types.DefaultDateLayout)
				_, err := insert.Bind(dbx.Params{
					"id": into.Projects[n], "tenant": tenant.Id, "name": fmt.Sprintf("Demand forecast %d", n),
					"description": "Forecasts the demand of each store for the next four weeks.",
					"complexity":  1 + n%100, "team": 1 + n%12, "created": created,
				}).Execute()
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return population, nil
}
